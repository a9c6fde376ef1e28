"""Say in plain words why a result was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from retrieval_service.ports import Hits, Match
from retrieval_service.search.sentences import Sentence, sentence

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
) -> list[Sentence]:
    """Return why a result was found: how near it is, which words it has, and its places in the two halves.

    Args:
        title: The title, and the query's words in it.
        abstract: The abstract, and the query's words in it.
        dense: The ranking by meaning; None if the result is not in it.
        lexical: The ranking by words; None if the result is not in it.
        like: True if the search is for papers like others.
        reranked: True if a reranker placed the result.
    """
    parts = [_nearness(*dense, like=like)] if dense else []
    parts += _words("title", *title) or _words("abstract", *abstract)
    parts += [_rank("words", lexical)] if lexical else []
    parts += [_rank("meaning", dense)] if dense else []
    parts += [sentence("by_reranker")] if reranked else []
    return parts or [sentence("meets_conditions")]


def in_words(parts: Sequence[Sentence]) -> str:
    """Return a reason as one text; the places in the two halves stand together."""
    text = ""
    for before, part in zip([None, *parts], parts, strict=False):
        both = before is not None and before.code == "rank_by_words" and part.code == "rank_by_meaning"
        text += f"{(', ' if both else '; ') if text else ''}{part}"
    return text


def _nearness(hits: Hits, place: int, *, like: bool) -> Sentence:
    low, high = hits.bounds or (0.0, 1.0)
    share = (float(hits.scores[place]) - low) / (high - low) if high > low else 0.0
    degree = "very_near" if share >= _VERY_NEAR else "near" if share >= _NEAR else "somewhat_near"
    return sentence(f"{degree}_named" if like else degree)


def _words(name: str, text: str, matches: Sequence[Match]) -> list[Sentence]:
    shown: dict[str, str] = {}
    for one in matches:
        shown.setdefault(one.term, f"'{text[one.start : one.end]}'")
    words = list(shown.values())
    if not words:
        return []
    if len(words) > _MOST_WORDS:
        return [sentence(f"{name}_has_more", words=", ".join(words[:_MOST_WORDS]))]
    english = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return [Sentence.of(f"{name} has {english}", f"{name}_has", {"words": ", ".join(words)})]


def _rank(name: str, half: Half) -> Sentence:
    return Sentence.of(f"{_ordinal(half.place + 1)} by {name}", f"rank_by_{name}", {"rank": half.place + 1})


def _ordinal(number: int) -> str:
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
