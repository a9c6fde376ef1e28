"""Keys of citations: `verne2024survey`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from akin.papers.citation.work import Work, split_mathematics

_LONGEST = 40  # characters of a name or a word
_NOT_IN_A_KEY = re.compile(r"[^a-z0-9]+")
_OF_A_LIBRARY = re.compile(r"""[^\s,{}()"'#%=~\\@]{1,200}""")
# Letters that Unicode does not decompose into an ASCII letter and a mark.
_FOLDED = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "ħ": "h",
        "ı": "i",
        "ŋ": "ng",
        "æ": "ae",
        "œ": "oe",
        "ß": "ss",
        "þ": "th",
        "ə": "e",
        "ŧ": "t",
        "ĸ": "k",
        "ƒ": "f",
    }
)
_SHORT_WORDS = frozenset(
    "a an the and or nor but of on in at by for from to into onto towards toward via with without within upon over"
    " under as is are was were be do does did can how what when where which who why not no its it this that these those"
    " der die das ein eine une un le la les el los las de des du sur und et y il lo gli".split()
)
_OF_A_GROUP = _SHORT_WORDS | frozenset(
    "collaboration collaborations collab consortium team group groups project working members behalf network".split()
)


def unique_keys(works: Iterable[Work]) -> Iterator[str]:
    """Yield a key for each work: that of its library, or family name of the first author, year, a word of the title.

    The second work with a key gets the letter a behind it, the next one b; so a key does not depend on the works that
    follow.
    """
    used: set[str] = set()
    further: dict[str, int] = {}
    for work in works:
        key = base = _key(work)
        while key in used:
            further[base] = further.get(base, 0) + 1
            key = base + _letters(further[base])
        used.add(key)
        yield key


def _key(work: Work) -> str:
    if _OF_A_LIBRARY.fullmatch(work.key):
        return work.key
    author = ""
    if work.authors:
        first = work.authors[0]
        author = _first_word(first.family, _OF_A_GROUP) if first.collaboration else ""
        author = author or _plain(first.family)[:_LONGEST]
    title = "".join(text for text, is_mathematics in split_mathematics(work.title) if not is_mathematics)
    word = _first_word(title, _SHORT_WORDS) or _first_word(work.title, _SHORT_WORDS)
    if not author and not word:
        return f"paper{work.year or ''}{_plain(work.paper_id)[:_LONGEST]}"
    return f"{author}{work.year or ''}{word}"


def _first_word(text: str, passed_over: frozenset[str]) -> str:
    words = (_plain(word) for word in text.split())
    return next((word[:_LONGEST] for word in words if word and word not in passed_over), "")


def _plain(text: str) -> str:
    text = text.lower()
    if not text.isascii():
        # Letter by letter: normalising a long run of combining marks at once takes quadratic time.
        text = "".join(unicodedata.normalize("NFKD", letter) for letter in text.translate(_FOLDED))
    return _NOT_IN_A_KEY.sub("", text)


def _letters(number: int) -> str:
    """Return a, b, … z, aa, ab, … for 1, 2, …."""
    letters = ""
    while number:
        number, place = divmod(number - 1, 26)
        letters = chr(ord("a") + place) + letters
    return letters
