"""Vectors of papers that a request names: the stored ones, and new ones of papers that have none stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from akin.papers import Paper, passage_text
from retrieval_service.ports import Corpus, Vectors


async def embed_uncovered(corpus: Corpus, rows: Sequence[int], papers: Sequence[Paper]) -> dict[int, Vectors]:
    """Return the vectors of those papers that have none stored, by row; all are embedded together.

    Raises:
        Unavailable: There are such papers, and the encoder makes no vectors now.
    """
    if corpus.covered is None:
        return {}
    has_vector = corpus.covered.mask
    texts = {row: passage_text(paper) for row, paper in zip(rows, papers, strict=True) if not has_vector[row]}
    if not texts:
        return {}
    return dict(zip(texts, await corpus.embed_papers(list(texts.values())), strict=True))


def vectors_with(corpus: Corpus, rows: Sequence[int], made: Mapping[int, Vectors]) -> Vectors:
    """Return the vectors of some rows, float32 [n, dim]: those in `made`, otherwise the stored ones."""
    vectors = corpus.vectors.vectors(rows)
    for place in (place for place, row in enumerate(rows) if row in made):
        vectors[place] = made[rows[place]]
    return vectors
