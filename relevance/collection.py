"""Read test collections in BEIR's layout: `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from papers import Paper, passage_text
from relevance.errors import RelevanceError

CORPUS = "corpus.jsonl"
QUERIES = "queries.jsonl"
QRELS = "qrels/test.tsv"
_FIELDS = "id=_id,title=title,abstract=text"


@dataclass(frozen=True)
class Collection:
    """A test collection. Its corpus is read when `passages` is first used.

    Attributes:
        folder: folder of the three files; its name is the collection's name.
        queries: text of each query that has a relevant passage, by the query's id.
        qrels: gain (above 0) of each relevant passage, by the ids of query and passage.
    """

    folder: Path
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @property
    def corpus(self) -> Path:
        """File of the passages."""
        return self.folder / CORPUS

    @cached_property
    def passages(self) -> dict[str, str]:
        """Text of each passage, as it is embedded when it is served, by the passage's id, in the file's order.

        Raises:
            RelevanceError: The file cannot be read, an id occurs twice, or a relevant passage is missing.
        """
        passages: dict[str, str] = {}
        for where, record in _records(self.corpus):
            identity = _field(record, "_id", where)
            if identity in passages:
                raise RelevanceError(f"{where}: the id {identity} occurs a second time. Give each passage its own id.")
            title = str(record.get("title") or "")
            passages[identity] = passage_text(Paper(id=identity, title=title, abstract=_field(record, "text", where)))
        for query, gains in self.qrels.items():
            if missing := next((passage for passage in gains if passage not in passages), None):
                raise RelevanceError(
                    f"{self.folder / QRELS} judges passage {missing} for query {query}, but {self.corpus} has no such "
                    "passage."
                )
        return passages

    @cached_property
    def fields(self) -> str:
        """Mapping by which `papers.read_papers` reads the passages' file, which need not have titles."""
        first = next((record for _, record in _records(self.corpus)), {})
        return _FIELDS if "title" in first else _FIELDS.replace("title=title,", "")

    @cached_property
    def corpus_digest(self) -> str:
        """SHA-256 of the passages' file: collections with the same digest can share an index."""
        with self.corpus.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the three files: two reports with the same digest were measured on the same collection."""
        digest = hashlib.sha256()
        for name in (CORPUS, QUERIES, QRELS):
            with (self.folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def read_collections(folders: Sequence[Path]) -> list[Collection]:
    """Read several collections; a folder that is given twice is read once.

    Raises:
        RelevanceError: A collection cannot be read, or two of them have the same name.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in found and found[name].resolve() != folder.resolve():
            raise RelevanceError(f"{found[name]} and {folder} are both called {name}: rename one of them.")
        found[name] = folder
    return [read_collection(folder) for folder in found.values()]


def read_collection(folder: Path) -> Collection:
    """Read the queries and judgements of a collection.

    A judgement of 0 means "not relevant" and is left out, and so is a query without a relevant passage. A passage that
    has the query's own id is kept: in collections that number both from 1, it is another text.

    Raises:
        RelevanceError: A file is missing, a line cannot be parsed, or no passage is relevant.
    """
    texts = {
        _field(record, "_id", where): _field(record, "text", where) for where, record in _records(folder / QUERIES)
    }
    qrels: dict[str, dict[str, int]] = {}
    for line, (query, passage, gain) in enumerate(_judgements(folder / QRELS), start=2):
        if gain <= 0:
            continue
        if query not in texts:
            raise RelevanceError(
                f"{folder / QRELS}:{line} judges query {query}, but {folder / QUERIES} has no such query."
            )
        qrels.setdefault(query, {})[passage] = gain
    if not qrels:
        raise RelevanceError(f"{folder / QRELS} has no judgement above 0, so there is nothing to measure.")
    return Collection(folder, {query: texts[query] for query in qrels}, qrels)


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each record of a file of JSON lines with its place, `path:line`."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    record = json.loads(line)
                    if not isinstance(record, dict):
                        raise RelevanceError(f"{path}:{number} is not a JSON object.")
                    yield f"{path}:{number}", record
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise RelevanceError(f"{path} is not JSON lines in UTF-8: {error}.") from error


def _judgements(path: Path) -> Iterator[tuple[str, str, int]]:
    """Yield the query's id, the passage's id and the gain of each line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                yield row["query-id"], row["corpus-id"], int(row["score"])
    except OSError as error:
        raise _unreadable(path, error) from error
    except (KeyError, TypeError, ValueError) as error:
        raise RelevanceError(
            f"{path} must have the columns query-id, corpus-id and score, tab-separated, with whole scores: {error}."
        ) from error


def _field(record: dict[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if not isinstance(value, str | int):
        raise RelevanceError(f"{where} has no {name}.")
    return str(value)


def _unreadable(path: Path, error: OSError) -> RelevanceError:
    return RelevanceError(
        f"{path} cannot be read ({error.strerror}). A test collection is a folder with {CORPUS}, {QUERIES} and {QRELS} "
        "(BEIR's layout)."
    )
