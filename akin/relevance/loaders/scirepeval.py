"""SciRepEval (Singh et al., 2023): tasks of search (the query is a text) and of proximity (the query is a paper).

A folder for each task: the papers in `evaluation.jsonl` or `evaluation-*.parquet` (`doc_id`, `query`, `candidates`),
the judgements in `test_qrel.jsonl`, `test/test_qrel.jsonl` or `test-*.parquet` (`query_id`, `cand_id`, `score`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from akin.papers import Paper
from akin.relevance.collection import Collection
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.collecting import collection_of, without_queries
from akin.relevance.loaders.files import passage, rows_in, text_of, whole_gain

_PAPERS = ("evaluation.jsonl", "meta.jsonl", "evaluation-*.parquet")
_QRELS = ("test_qrel.jsonl", "test/test_qrel.jsonl", "test-*.parquet", "test/test-*.parquet")


def is_scirepeval(folder: Path) -> bool:
    """Return True if a task's two parts are there."""
    return bool(_files(folder, _PAPERS) and _files(folder, _QRELS))


def read_scirepeval(folder: Path) -> list[Collection]:
    """Read a task. Its corpus are the candidates of all queries.

    Raises:
        RelevanceError: A file is broken.
    """
    papers, judged = _files(folder, _PAPERS), _files(folder, _QRELS)
    queries: dict[str, str] = {}
    kind = None
    for where, row in rows_in(papers, ("doc_id", "query", "candidates")):
        asked = row["query"]
        if isinstance(asked, str):
            queries[text_of(row, "doc_id", where)] = asked
        elif isinstance(asked, dict):
            text = " ".join(str(asked.get(name) or "") for name in ("title", "abstract")).strip()
            queries[text_of(asked, "doc_id", where)] = text
            kind = "neighbours"
        else:
            raise RelevanceError(f"{where}: query must be a text or a paper.")
    qrels: dict[str, dict[str, int]] = {}
    for where, row in rows_in(judged, ("query_id", "cand_id", "score")):
        gains = qrels.setdefault(text_of(row, "query_id", where), {})
        gains[text_of(row, "cand_id", where)] = whole_gain(row["score"], where)

    def read_corpus() -> Iterator[tuple[str, Paper]]:
        seen: set[str] = set()  # a paper is the candidate of many queries
        for where, row in rows_in(papers, ("candidates",)):
            for candidate in row["candidates"] or ():
                if not isinstance(candidate, dict):
                    raise RelevanceError(f"{where}: candidates must be papers.")
                identity = text_of(candidate, "doc_id", where)
                if identity not in seen:
                    seen.add(identity)
                    yield passage(identity, candidate.get("title"), candidate.get("abstract"), where)

    reader = without_queries(read_corpus, qrels) if kind else read_corpus
    return [collection_of(folder, queries, qrels, reader, (*papers, *judged), kind=kind)]


def _files(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return next((found for pattern in patterns if (found := sorted(folder.glob(pattern)))), [])
