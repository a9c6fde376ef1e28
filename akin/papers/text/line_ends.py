"""Words that were broken at a line's end: `clas-`, `sification` become one word, `self-`, `supervised` keep the hyphen.

The rule, for a hyphen between letters with a line end behind it:

1. If the text has the whole word elsewhere, with or without the hyphen, the word is written so.
2. If a half is one of the words that often stand in compounds, or the first half already has a hyphen or is one
   letter or stands in an address or in TeX, or the second half does not begin with a small letter, the hyphen is the
   author's own.
3. Otherwise the hyphen came with the line end, and the halves are one word.

Some sources have a space where the line end was. There, a hyphen may also be a dash, so that only 1 and 2 apply.
A hyphen before "and", "or" and the like stands for a word that follows ("pre- and post-training"), one before "which"
or "is" is a dash; both stay.
"""

from __future__ import annotations

import re

# The literal first character makes the search quick.
_BROKEN = re.compile(r"-(?<=\w-)(?:[^\S\n]*+\n[^\S\n]*+|[^\S\n])(?=\w)")
_LONGEST = 40  # letters of a half; more are no word
_BEFORE = re.compile(r"(?<![\w\\$^{/.@])(-?)([^\W\d_]{2,})\Z")
_BEHIND = re.compile(r"[^\W\d_]++")
_WORDS = re.compile(r"[^\W\d_]++(?:-[^\W\d_]++)*+")
_NO_SECOND = frozenset(
    "and or nor to but as versus vs und oder bzw et ou или which that is are was were we with for from this".split()
)
# Of 100,000 papers' compounds, most have one of these words before a hyphen or behind one. Words that are also
# frequent syllables of broken words ("re", "in", "form", "rate") are left out.
_FIRST = frozenset(
    """
    non multi real of two high self the state to time low well one fine long cross large quasi single three semi spin
    zero open data finite first many human model trade post higher mean closed near short pseudo text user domain
    decision off second context and by fixed ground full energy vision task learning ultra half four polynomial power
    meta graph few multiple infinite cost phase dual double electron black point general space density agent set free
    edge quantum information worst discrete small resource object privacy hand left spatio atom diffusion light matrix
    signal event network frequency tree training coarse input mixed continuous language test hard machine field scale
    error proof step top audio web right pixel laser system linear best physics steady order cyber next rule vector
    group parameter peer gradient rate knowledge feature type wave strong fully expert lower weak wide cutting
    feed bottom straight exchange tight nearest built third least message plug general inner outer root pass
    """.split()
)
_SECOND = frozenset(
    """
    based dimensional of the level to art scale free order like dependent aware driven specific known state end type
    field agent grained range quality valued called tuning term source theoretic linear trivial resolution point domain
    oriented space step modal frequency complete stage wise layer efficient induced and preserving hard loop trained
    language invariant energy orbit optimal training related commutative defined rank guided component box electron
    wave particle generated varying centric supervised independent constrained purpose convex channel tuned critical
    performance cost learning temperature intensive context fidelity sensitive density sided adjoint noise consistent
    classical symmetric objective agnostic resolved inspired augmented shot body term time
    depth demand chip hoc squares neighbor neighbour momentum matter operated decay correlation binding
    """.split()
)


def join_broken_words(text: str) -> str:
    """Return the text with the words joined that a line end had broken."""
    pieces = _BROKEN.split(text)
    if len(pieces) == 1:
        return text
    words = set(_WORDS.findall(text.lower()))
    joined = [pieces[0]]
    for end, piece in zip(_BROKEN.findall(text), pieces[1:], strict=True):
        joined += (_joint(joined[-1], end, piece, words), piece)
    return "".join(joined)


def _joint(before: str, end: str, behind: str, words: set[str]) -> str:
    """Return what stands between two halves: nothing, a hyphen, or what stood there."""
    kept = "-" if "\n" in end else end
    found, right = _BEFORE.search(before[-_LONGEST:]), _BEHIND.match(behind[:_LONGEST])
    second = right[0] if right else ""
    if second in _NO_SECOND:
        return "- "
    if not found or not second.islower() or len(second) == 1:
        return kept
    first, second = found[2].lower(), second.lower()
    if first + second in words:
        return ""
    if found[1] or first in _FIRST or second in _SECOND or f"{first}-{second}" in words:
        return "-"
    return "" if "\n" in end else end
