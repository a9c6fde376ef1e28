"""Test collections in BEIR's layout: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from papers import Paper, passage_text
from training.errors import EvaluationError
from training.evaluation.metrics import Judgements

CORPUS = "corpus.jsonl"
QUERIES = "queries.jsonl"
QRELS = "qrels/test.tsv"


@dataclass(frozen=True)
class Collection:
    """A test collection.

    Attributes:
        name: its folder's name.
        passages: the text of each passage, as it is embedded when it is served.
        queries: the text of each query that has a relevant passage.
        judgements: for each query the gains of its relevant passages, by their position among the passages.
        digest: SHA-256 of its three files, so that two reports can be known to speak of the same collection.
    """

    name: str
    passages: list[str]
    queries: list[str]
    judgements: Judgements
    digest: str


def read_collections(folders: Sequence[Path]) -> list[Collection]:
    """Reads several collections.

    Raises:
        EvaluationError: One of them cannot be read, or two have the same name.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in found and found[name].resolve() != folder.resolve():
            raise EvaluationError(f"{found[name]} and {folder} are both called {name}: rename one of them.")
        found[name] = folder
    return [read_collection(folder) for folder in found.values()]


def read_collection(folder: Path) -> Collection:
    """Reads one collection.

    Judgements of 0 say "not relevant" and are dropped; queries without a relevant passage cannot be measured and are
    dropped as well. Passages are not left out for having the query's id: in collections that number both from 1, that
    would remove the wrong ones.

    Raises:
        EvaluationError: A file is missing, a line is no record, or nothing is judged relevant.
    """
    ids: dict[str, int] = {}
    passages: list[str] = []
    for where, record in _records(folder / CORPUS):
        identity = _field(record, "_id", where)
        if identity in ids:
            raise EvaluationError(f"{where}: passage {identity} is there a second time.")
        ids[identity] = len(passages)
        title = str(record.get("title") or "")
        passages.append(passage_text(Paper(id=identity, title=title, abstract=_field(record, "text", where))))
    texts = {
        _field(record, "_id", where): _field(record, "text", where) for where, record in _records(folder / QUERIES)
    }
    by_query: dict[str, dict[int, int]] = {}
    for line, (query, passage, gain) in enumerate(_qrels(folder / QRELS), start=2):
        if gain <= 0:
            continue
        if query not in texts or passage not in ids:
            what, file = (f"query {query}", QUERIES) if query not in texts else (f"passage {passage}", CORPUS)
            raise EvaluationError(f"{folder / QRELS}:{line} judges {what}, which {folder / file} does not have.")
        by_query.setdefault(query, {})[ids[passage]] = gain
    if not by_query:
        raise EvaluationError(f"{folder / QRELS} judges nothing relevant, so nothing can be measured.")
    return Collection(
        name=folder.resolve().name,
        passages=passages,
        queries=[texts[query] for query in by_query],
        judgements=list(by_query.values()),
        digest=_digest(folder),
    )


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        raise EvaluationError(f"{path}:{number} is not a JSON object.")
                    yield f"{path}:{number}", record
    except OSError as error:
        raise EvaluationError(_missing(path, error)) from error
    except ValueError as error:
        raise EvaluationError(f"{path} is not JSON lines in UTF-8: {error}.") from error


def _qrels(path: Path) -> Iterator[tuple[str, str, int]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t")
            for row in rows:
                yield row["query-id"], row["corpus-id"], int(row["score"])
    except OSError as error:
        raise EvaluationError(_missing(path, error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(
            f"{path} must have the columns query-id, corpus-id and score, tab-separated, with whole scores: {error}."
        ) from error


def _field(record: dict[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if not isinstance(value, str | int):
        raise EvaluationError(f"{where} has no {name}.")
    return str(value)


def _missing(path: Path, error: OSError) -> str:
    return (
        f"{path} cannot be read ({error.strerror}). A test collection is a folder with {CORPUS}, {QUERIES} and {QRELS} "
        "(BEIR's layout)."
    )


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in (CORPUS, QUERIES, QRELS):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
