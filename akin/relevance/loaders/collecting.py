"""Build a collection out of parts that a loader has read into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from akin.papers import Paper
from akin.relevance.collection import Collection, CorpusReader
from akin.relevance.errors import RelevanceError


def collection_of(
    folder: Path,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    read_corpus: CorpusReader,
    files: Iterable[Path],
    *,
    label: str = "",
    kind: str | None = None,
) -> Collection:
    """Return a collection of the queries that have a gain above 0.

    Raises:
        RelevanceError: A judged query does not exist, or no gain is above 0.
    """
    files = tuple(files)
    relevant = {
        query: found
        for query, gains in qrels.items()
        if (found := {passage: gain for passage, gain in gains.items() if gain > 0})
    }
    if not relevant:
        raise RelevanceError(f"{folder}: no judgement is above 0, so there is nothing to measure.")
    if missing := next((query for query in relevant if query not in queries), None):
        raise RelevanceError(f"{folder}: query {missing} is judged, but has no text.")
    texts = {query: queries[query] for query in relevant}
    return Collection(folder, texts, relevant, read_corpus, files, about={"kind": kind} if kind else {}, label=label)


def without_queries(read_corpus: CorpusReader, qrels: Mapping[str, Mapping[str, int]]) -> CorpusReader:
    """Return a reader that leaves out the papers that are queries, for collections whose queries are papers.

    A query's own paper would be found first each time. A paper that is an answer to another query stays.
    """
    relevant = {passage for gains in qrels.values() for passage, gain in gains.items() if gain > 0}

    def read() -> Iterator[tuple[str, Paper]]:
        return ((where, paper) for where, paper in read_corpus() if paper.id in relevant or paper.id not in qrels)

    return read
