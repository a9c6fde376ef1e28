"""Other spellings of words: compounds with and without their hyphen, and scripts that put no space between words.

`pre-training` is read as the words `pre` and `training`, and as the word `pretraining` too. A script without spaces
is read letter by letter where places are kept, so that a phrase finds any part of a run. For ranking it is read as
pairs of letters, which tell more than single ones.

All functions take text that `to_plain_text` has made, and take time in proportion to its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

WINDOW = 4
"""Words on each side of a joined compound that are written with it, so that phrases of so many words find it."""

_COMPOUND = re.compile(r"(?<![^\W_])[^\W_]++(?:--?+[^\W_]++)++")
_HYPHEN_AT_END = re.compile(r"-\s")
_FOLLOWING = frozenset("and or nor to und oder vs versus as but then than bis et ou y o e".split())
"""Words behind a hyphen that stands for a later word: "pre- and post-training" is not a compound."""

# Unicode's line breaking (UAX #14): classes ID, CJ and those of Hangul, and class SA, "dependent on the context".
_IDEOGRAPHS = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f"
    "\U00020000-\U000323af"
)
_HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb"
_SOUTH_EAST_ASIAN = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u109a-\u109f\u1780-\u17d3\u1950-\u1974"
    "\u1980-\u19c9\u1a20-\u1a7c\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaac2\uaadb-\uaadd\U00011700-\U0001172b"
)
# A line may end anywhere between ideographs, so white space there says nothing.
_RUN = re.compile(rf"[{_IDEOGRAPHS}]++(?:\s?+[{_IDEOGRAPHS}]++)*+|[{_HANGUL}]++|[{_SOUTH_EAST_ASIAN}]++")
_RUN_LETTER = re.compile(f"[{_IDEOGRAPHS}{_HANGUL}{_SOUTH_EAST_ASIAN}]")


class Compounds(NamedTuple):
    """The compounds of a text.

    Attributes:
        joined: Each compound as one word.
        passages: The parts of the text around them, each compound as one word with its neighbours on both sides.
    """

    joined: Sequence[str] = ()
    passages: Sequence[str] = ()


def find_compounds(text: str) -> Compounds:
    """Return the compounds of a text. A mere number such as `2010-2015` is none."""
    if "-" not in text:
        return Compounds()
    words = close_line_ends(text.split()) if _HYPHEN_AT_END.search(text) else text.split()
    joined: list[str] = []
    places: list[int] = []
    for place in [place for place, word in enumerate(words) if "-" in word]:
        word = words[place]
        compounds = [found for found in _COMPOUND.findall(word) if not _join(found).isdecimal()]
        if compounds:
            words[place] = _COMPOUND.sub(lambda found: _join(found[0]), word)
            joined += map(_join, compounds)
            places.append(place)
    return Compounds(joined, [" ".join(words[first:end]) for first, end in _windows(places)])


def join_compound(word: str) -> str:
    """Return a text with its compounds as one word each."""
    return _COMPOUND.sub(lambda found: _join(found[0]), word)


def close_line_ends(words: list[str]) -> list[str]:
    """Return the words with those together that a hyphen at a line's end has parted."""
    closed: list[str] = []
    for word in words:
        if closed and _is_continued(closed[-1], word):
            closed[-1] += word
        else:
            closed.append(word)
    return closed


def _is_continued(word: str, behind: str) -> bool:
    """Return True if a line's end has parted a word from the one behind it."""
    broken = word[-1] == "-" and word[-2:-1].isalnum() and behind[0].islower()
    return broken and behind.strip(",.;:!?)") not in _FOLLOWING


def _windows(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of each group of neighbours of some places; close ones are in one group."""
    first = end = 0
    for place in places:
        if end and place - WINDOW > end:
            yield first, end
            end = 0
        if not end:
            first = max(0, place - WINDOW)
        end = place + WINDOW + 1
    if end:
        yield first, end


def separate_letters(text: str) -> str:
    """Return the text with each letter of a script without spaces as a word."""
    if text.isascii():
        return text
    return _RUN.sub(lambda found: f" {' '.join(_letters(found[0]))} ", text)


def pair_letters(text: str, *, with_letters: bool = False) -> str:
    """Return the text with the pairs of adjacent letters of a script without spaces as words.

    A letter that stands alone is a word; `with_letters`, every letter is one too.
    """
    return text if text.isascii() else _RUN.sub(lambda found: _pairs(found[0], with_letters), text)


def ranking_words(text: str, compounds: Compounds) -> str:
    """Return a paper's text with all words that a query may rank it by."""
    return " ".join([pair_letters(text, with_letters=True), *compounds.joined])


def _join(compound: str) -> str:
    return compound.replace("-", "")


def _letters(run: str) -> str:
    return "".join(run.split())


def _pairs(run: str, with_letters: bool) -> str:
    letters = _letters(run)
    words = [one + other for one, other in pairwise(letters)]
    if with_letters or not words:
        words += letters
    return f" {' '.join(words)} "
