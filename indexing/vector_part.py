"""The vector index of a new snapshot: made and tuned from stored embeddings, or changed row by row from another's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from indexing.embed import EmbeddingPass, every_position
from indexing.embedding_store import EmbeddingStore, StoredEmbeddings
from indexing.faiss_recall import Point, Queries, exact_nearest, fewest
from indexing.faiss_recipe import Recipe, VectorsOf, build_index, write_index
from indexing.faiss_rows import RowsCannotChange, change_rows, read_whole
from indexing.reservoir import Reservoir
from indexing.stream import WINDOW
from papers import Paper, passage_text
from retrieval_service.corpus.manifest import VECTORS, CurvePoint, IndexRecord
from retrieval_service.errors import SnapshotError
from retrieval_service.ports import Encoder, Rows, Vectors

TUNING_QUERIES = 256
_FETCHED = 900
TITLES = "titles of papers, each without its own paper"
BEGINNINGS = "beginnings of abstracts, each without its own paper"
_FEWEST_TITLES = 64
# Of an abstract: characters looked at, words taken at most, and the fewest that make a sentence worth asking.
_READ, _WORDS, _FEWEST_WORDS = 2000, 16, 4


Fetch = Callable[[Sequence[int]], list[Paper]]
"""Papers by row."""


class Sample:
    """An even sample of papers from a stream (Vitter 1985, algorithm R), for queries to tune with.

    What people search by is titles. Where too few papers have one, the beginnings of other papers' abstracts stand in.
    """

    def __init__(self, size: int = TUNING_QUERIES) -> None:
        """Take how many queries there are to be."""
        self._size = size
        self._titles: Reservoir[tuple[str, int]] = Reservoir(size, seed=1)
        self._beginnings: Reservoir[tuple[str, int]] = Reservoir(size, seed=2)

    def offer(self, first_row: int, papers: Iterable[Paper]) -> None:
        """Take or leave the papers of consecutive rows."""
        for row, paper in enumerate(papers, first_row):
            if title := paper.title.strip():
                self._titles.offer((title, row))
            elif beginning := _beginning(paper.abstract):
                self._beginnings.offer((beginning, row))

    @classmethod
    def drawn(cls, fetch: Fetch, papers: int, size: int = TUNING_QUERIES) -> Sample:
        """Return a sample of a corpus whose papers can be fetched by row."""
        sample = cls(size)
        for row in np.sort(np.random.default_rng(1).choice(papers, min(papers, size), replace=False)).tolist():
            sample.offer(row, fetch([row]))
        return sample

    @property
    def texts(self) -> list[str]:
        """The queries."""
        return [text for text, _ in self._chosen]

    @property
    def rows(self) -> Rows:
        """The row of each query's paper."""
        return np.asarray([row for _, row in self._chosen], np.int64)

    @property
    def described(self) -> str:
        """Return a description of the queries, for the manifest."""
        beginnings = len(self._chosen) - len(self._titles.items)
        if not beginnings:
            return TITLES
        if not self._titles.items:
            return BEGINNINGS
        return f"{len(self._titles.items):,} {TITLES}, and {beginnings:,} {BEGINNINGS}"

    @property
    def _chosen(self) -> list[tuple[str, int]]:
        titles = self._titles.items
        if len(titles) >= min(_FEWEST_TITLES, self._size):
            return titles
        return titles + self._beginnings.items[: self._size - len(titles)]


def _beginning(abstract: str) -> str:
    """Return the first sentence of an abstract, or as many of its words as a long title has."""
    words = abstract[:_READ].split()[:_WORDS]
    ends = (place for place, word in enumerate(words, 1) if place >= _FEWEST_WORDS and word.endswith((".", "!", "?")))
    return " ".join(words[: next(ends, len(words))])


def vectors_of(store: StoredEmbeddings, positions: Rows) -> VectorsOf:
    """The stored vectors by row, where a row's vector is at the position given for it."""

    def vectors(rows: Rows) -> Vectors:
        return store.vectors(positions[rows])

    return vectors


async def stored_positions(
    store: EmbeddingStore, embedding: EmbeddingPass, texts: Sequence[bytes], fetch: Fetch
) -> Rows:
    """The store's position of every row's vector; where the store has lost some, their papers are embedded again.

    Args:
        store: the embeddings.
        embedding: makes those that are missing.
        texts: the digest of every row's text.
        fetch: gives the papers of these rows.
    """
    positions = await asyncio.to_thread(store.positions, texts)
    missing = np.flatnonzero(positions < 0).tolist()
    for at in range(0, len(missing), WINDOW):
        papers = [
            paper
            for some in range(at, min(at + WINDOW, len(missing)), _FETCHED)
            for paper in fetch(missing[some : min(some + _FETCHED, at + WINDOW)])
        ]
        window = embedding.start(papers, [passage_text(paper) for paper in papers])
        try:
            await window.stored(lambda _: None)
        except BaseException:
            await window.cancel()
            raise
    return await asyncio.to_thread(every_position, store, texts) if missing else positions


async def asked(encoder: Encoder, texts: Sequence[str], own: Rows, papers: int, corpus: VectorsOf) -> Queries:
    """Queries of these texts, with what exact search finds for them.

    Raises:
        SnapshotError: there are none.
    """
    if not texts:
        raise SnapshotError(
            "No paper has a title or an abstract to tune the index with: give queries (--queries FILE)."
        )
    # Titles are what people search by, and no title alone is in the index. Nobody waits for these vectors as one waits
    # for an answer: a busy encoder must not undo the build whose last step this is.
    vectors = (await encoder.embed_passages(texts)).vectors
    return await asyncio.to_thread(exact_nearest, vectors, own, papers, corpus)


async def made_index(
    directory: Path,
    papers: int,
    corpus: VectorsOf,
    encoder: Encoder,
    sample: Sample,
    *,
    recipe: Recipe,
    target: float,
    tuning: Callable[[], None],
) -> IndexRecord:
    """Makes an index by a recipe, and tunes how far a search of it looks.

    Args:
        directory: the new snapshot's.
        papers: how many there are.
        corpus: gives the vectors of some rows.
        encoder: of the queries it is tuned with.
        sample: what it is tuned with, of papers in it.
        recipe: how.
        target: recall@10 of an approximate one.
        tuning: is called when tuning begins.
    """
    index: Any = await asyncio.to_thread(build_index, recipe, papers, encoder.identity.dim, corpus)
    curve: list[Point] = []
    if not recipe.exact:
        tuning()
        queries = await asked(encoder, sample.texts, sample.rows, papers, corpus)
        curve = await asyncio.to_thread(fewest, index, recipe, queries, target)
    await asyncio.to_thread(write_index, index, directory / VECTORS)
    return index_record(recipe, papers, target, curve, sample.described)


def index_record(
    recipe: Recipe, papers: int, target: float, curve: Sequence[Point], queries: str = TITLES
) -> IndexRecord:
    """What a manifest says of an index whose last point on the curve is the one that serves.

    Args:
        recipe: how it was made.
        papers: how many there are.
        target: recall@10 it was to meet.
        curve: what was measured.
        queries: what was asked.
    """
    if recipe.exact:
        return IndexRecord(recipe=recipe.factory, why=recipe.why)
    serves = curve[-1]
    found = "finds" if serves.recall_at_10 >= target else "finds as many as any, fewer than"
    return IndexRecord(
        recipe=recipe.factory,
        why=f"{recipe.why}; nprobe {serves.breadth} {found} {target:g} of the ten nearest",
        nlist=recipe.nlist,
        nprobe=serves.breadth,
        k_factor=recipe.k_factor,
        recall_target=target,
        curve=tuple(
            CurvePoint(point.breadth, point.recall_at_10, point.ms, k_factor=point.k_factor) for point in curve
        ),
        trained_on=papers,
        queries=queries,
    )


def changed_index(base: Path, directory: Path, papers: int, rows: Rows, corpus: VectorsOf) -> bool:
    """Makes the index of another snapshot into this one's by changing rows; False when its type does not allow that.

    Args:
        base: the other snapshot.
        directory: the new one's.
        papers: how many it has.
        rows: those whose vectors are other ones, ascending.
        corpus: gives the vectors of these rows.
    """
    index = read_whole(base / VECTORS)
    try:
        change_rows(index, papers, rows, corpus)
    except RowsCannotChange:
        return False
    write_index(index, directory / VECTORS)
    return True


def carried_over(index: IndexRecord, base: str) -> IndexRecord:
    """The record of an index that was changed row by row: its curve is that of the snapshot it was measured in."""
    if not index.curve or index.queries.endswith("]"):
        return index
    return msgspec.structs.replace(index, queries=f"{index.queries} [measured in {base}]")
