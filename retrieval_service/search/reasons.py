"""Say in plain words why a result was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from retrieval_service.ports import Hits, Match

_MOST_WORDS = 3
# Shares of the way from the cosine of an unrelated paper to that of an equal text.
_VERY_NEAR, _NEAR = 0.6, 0.4


class Half(NamedTuple):
    """The ranking of one half, and the place of a result in it, from 0."""

    hits: Hits
    place: int


def reason(
    title: tuple[str, Sequence[Match]],
    abstract: tuple[str, Sequence[Match]],
    dense: Half | None,
    lexical: Half | None,
    *,
    like: bool = False,
    reranked: bool = False,
) -> str:
    """Return why a result was found: how near it is, which words it has, and its places in the two halves.

    Args:
        title: The title, and the query's words in it.
        abstract: The abstract, and the query's words in it.
        dense: The ranking by meaning; None if the result is not in it.
        lexical: The ranking by words; None if the result is not in it.
        like: True if the search is for papers like others.
        reranked: True if a reranker placed the result.
    """
    nearness = _nearness(*dense) + like * " to the papers named" if dense else ""
    words = _words("title", *title) or _words("abstract", *abstract)
    places = [
        f"{_ordinal(half.place + 1)} by {name}"
        for half, name in ((lexical, "words"), (dense, "meaning"))
        if half is not None
    ]
    parts = [nearness, words, ", ".join(places), "ordered by the reranker" if reranked else ""]
    return "; ".join(filter(None, parts)) or "meets the conditions"


def _nearness(hits: Hits, place: int) -> str:
    low, high = hits.bounds or (0.0, 1.0)
    share = (float(hits.scores[place]) - low) / (high - low) if high > low else 0.0
    degree = "very near" if share >= _VERY_NEAR else "near" if share >= _NEAR else "somewhat near"
    return f"{degree} in meaning"


def _words(name: str, text: str, matches: Sequence[Match]) -> str:
    shown: dict[str, str] = {}
    for one in matches:
        shown.setdefault(one.term, f"'{text[one.start : one.end]}'")
    words = list(shown.values())
    if not words:
        return ""
    if len(words) > _MOST_WORDS:
        return f"{name} has {', '.join(words[:_MOST_WORDS])} and more"
    return f"{name} has {' and '.join(filter(None, [', '.join(words[:-1]), words[-1]]))}"


def _ordinal(number: int) -> str:
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
