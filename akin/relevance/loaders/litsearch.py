"""LitSearch (Ajith et al., 2024): questions about the literature of language processing and machine learning.

The parts `query` (`query`, `corpusids`) and `corpus_clean` (`corpusid`, `title`, `abstract`) of the data set, as
Parquet files in folders of these names, or as JSON lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from akin.papers import Paper
from akin.relevance.collection import Collection
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.collecting import collection_of
from akin.relevance.loaders.files import part_files, passage, rows_of, text_of

QUERY, CORPUS_CLEAN = "query", "corpus_clean"


def is_litsearch(folder: Path) -> bool:
    """Return True if both parts are there."""
    return bool(part_files(folder, QUERY) and part_files(folder, CORPUS_CLEAN))


def read_litsearch(folder: Path) -> list[Collection]:
    """Read the questions; their ids are their places in the file.

    Raises:
        RelevanceError: A part is broken.
    """
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for place, (where, row) in enumerate(rows_of(folder, QUERY, ("query", "corpusids"))):
        if not isinstance(row["corpusids"], list):
            raise RelevanceError(f"{where}: corpusids must be a list.")
        queries[str(place)] = text_of(row, "query", where)
        qrels[str(place)] = {str(paper): 1 for paper in row["corpusids"]}

    def read_corpus() -> Iterator[tuple[str, Paper]]:
        for where, row in rows_of(folder, CORPUS_CLEAN, ("corpusid", "title", "abstract")):
            yield passage(text_of(row, "corpusid", where), row["title"], row["abstract"], where)

    files = [*part_files(folder, CORPUS_CLEAN), *part_files(folder, QUERY)]
    return [collection_of(folder, queries, qrels, read_corpus, files, kind="question")]
