"""Words of titles and abstracts: all of them, and those that carry the meaning."""

from __future__ import annotations

import re
from functools import lru_cache

# Repeated possessively: the time is in proportion to the length.
_WORD = re.compile(r"[^\W\d_]++(?:[-'’][^\W\d_]++)*+")
_FORMULA = re.compile(r"\$[^$]{0,400}\$|\\[A-Za-z]++|https?://\S++")
_SHORTEST = 4

STOP_WORDS = frozenset(
    """
    about above across after again against all almost along already also although always am among amongst an and
    another any anyone anything are around as at away back based be because been before behind being below best better
    between beyond both but by can cannot case cases certain come comes concerning could did do does doing done down
    due during each either else enough especially etc even ever every few find first five following for found four
    from further furthermore general give given gives good had has have having hence here high how however i if in
    indeed instead into introduce introduced introduces is it its itself just kind know known large last latter least
    less let like likely little look made mainly make makes making many may me might more moreover most mostly much
    must namely near need needs neither never new next no non none nor not note nothing now obtain obtained of off
    often on once one ones only onto or order other others otherwise our ours out over own paper particular
    particularly per perhaps possible present presented presents propose proposed proposes provide provided provides
    quite rather recent recently regarding respect respectively result results revisited said same say second see seem
    seems seen several shall she should show showed shown shows similar simple since six small so some something
    sometimes still studied study such take taken ten than that the their theirs them then there thereby therefore
    these they thing things third this those though three through throughout thus to together too toward towards two
    type under unless unlike until up upon us use used useful uses using usually various very via want was way ways we
    well were what whatever when where whereas wherein whether which while who whole whom whose why will with within
    without work would yet you your
    """.split()
)
"""English words that say nothing about the subject of a paper."""


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, folded to lower case; formulas, numbers and addresses are left out."""
    return _WORD.findall(_FORMULA.sub(" ", text).casefold())


def content_words(text: str) -> list[str]:
    """Return the words of a text that carry meaning, each once, in the order in which they first occur."""
    return [word for word in dict.fromkeys(words_of(text)) if len(word) >= _SHORTEST and word not in STOP_WORDS]


@lru_cache(maxsize=1 << 17)
def singular(word: str) -> str:
    """Return a word without a possessive or plural ending, so that both forms count as one word."""
    word = word.removesuffix("'s").removesuffix("’s")
    if len(word) <= _SHORTEST or word.endswith(("ss", "us", "is")):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def same_text(text: str) -> str:
    """Return a key that is equal for texts with the same letters and digits in the same order."""
    return " ".join(re.findall(r"\w++", text.casefold()))
