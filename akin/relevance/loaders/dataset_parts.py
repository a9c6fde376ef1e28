"""Folders `corpus`, `queries` and `qrels` of Parquet or JSON lines, as NanoBEIR and the data sets of mteb have them.

The start of a file's name is its split: `train-00000-of-00001.parquet`. Several splits with the same names in all
parts, such as `NanoSciFact-00000-of-00001.parquet`, are a collection each; otherwise, the judgements of `test` are
taken, or those of the only split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from akin.papers import Paper
from akin.relevance.collection import Collection
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.collecting import collection_of
from akin.relevance.loaders.files import passage, rows_in, text_of, whole_gain

_JUDGED = ("qrels", "data", "default")
Splits = dict[str, list[Path]]


def has_parts(folder: Path) -> bool:
    """Return True if corpus, queries and judgements are there."""
    return bool(_splits(folder, "corpus") and _splits(folder, "queries") and _judged(folder))


def read_parts(folder: Path) -> list[Collection]:
    """Read the collections of a folder.

    Raises:
        RelevanceError: A file is broken, or it is not clear which split is meant.
    """
    corpus, queries, judged = _splits(folder, "corpus"), _splits(folder, "queries"), _judged(folder)
    if len(corpus) > 1 and corpus.keys() == queries.keys() == judged.keys():
        return [_read(folder, corpus[name], queries[name], judged[name], name) for name in sorted(judged)]
    split = next(iter(judged)) if len(judged) == 1 else "test"
    if split not in judged:
        raise RelevanceError(f"{folder} has judgements of {', '.join(judged)}, but none called test. Keep one of them.")
    return [_read(folder, _only(corpus, split, folder), _only(queries, split, folder), judged[split], "")]


def _read(folder: Path, corpus: list[Path], asked: list[Path], judged: list[Path], label: str) -> Collection:
    queries = {
        text_of(row, "_id", where): text_of(row, "text", where) for where, row in rows_in(asked, ("_id", "text"))
    }
    qrels: dict[str, dict[str, int]] = {}
    for where, row in rows_in(judged, ("query-id", "corpus-id"), ("score",)):
        found = row["corpus-id"]
        for identity in found if isinstance(found, list) else [text_of(row, "corpus-id", where)]:
            gain = whole_gain(1 if row.get("score") is None else row["score"], where)
            qrels.setdefault(text_of(row, "query-id", where), {})[str(identity)] = gain

    def read_corpus() -> Iterator[tuple[str, Paper]]:
        for where, row in rows_in(corpus, ("_id", "text"), ("title",)):
            yield passage(text_of(row, "_id", where), row.get("title"), row["text"], where)

    return collection_of(folder, queries, qrels, read_corpus, (*corpus, *asked, *judged), label=label)


def _only(splits: Splits, wanted: str, folder: Path) -> list[Path]:
    if wanted in splits:
        return splits[wanted]
    if len(splits) > 1:
        raise RelevanceError(f"{folder} has the splits {', '.join(splits)}, and none is called {wanted}.")
    return next(iter(splits.values()))


def _splits(folder: Path, name: str) -> Splits:
    found: Splits = {}
    for pattern in ("*.parquet", "*.jsonl"):
        for path in sorted((folder / name).glob(pattern)):
            found.setdefault(path.stem.split("-0")[0], []).append(path)
        if found:
            return found
    return found


def _judged(folder: Path) -> Splits:
    return next((found for name in _JUDGED if (found := _splits(folder, name))), {})
