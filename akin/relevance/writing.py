"""Write test collections in BEIR's layout, each either completely or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from akin.relevance.collection import CORPUS, QRELS, QUERIES, SET, Collection
from akin.relevance.errors import RelevanceError
from akin.storage.durable import replace_folder


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines in UTF-8."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def corpus_file(collection: Collection, folder: Path) -> Path:
    """Return a file with the passages in BEIR's layout: the collection's own, or one that is written into a folder.

    Raises:
        RelevanceError: The passages cannot be read, or the file cannot be written.
    """
    if collection.corpus.is_file():
        return collection.corpus
    path = folder / f"{collection.name}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_lines(
            path, ({"_id": each.id, "title": each.title, "text": each.abstract} for each in collection.papers())
        )
    except OSError as error:
        raise RelevanceError(f"cannot write {path}: {error.strerror}.") from error
    return path


def write_set(folder: Path, about: Mapping[str, Any]) -> None:
    """Write `set.json`."""
    (folder / SET).write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_judgements(folder: Path, qrels: Mapping[str, Mapping[str, int]]) -> None:
    """Write `qrels/test.tsv`."""
    (folder / QRELS).parent.mkdir()
    with (folder / QRELS).open("w", encoding="utf-8") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        for query, gains in qrels.items():
            file.writelines(f"{query}\t{passage}\t{gain}\n" for passage, gain in gains.items())


def require_replaceable(folder: Path) -> None:
    """Check that a folder is free, or holds a collection that may be replaced.

    Raises:
        RelevanceError: It holds something else.
    """
    if folder.exists() and not any((folder / name).is_file() for name in (CORPUS, QUERIES, SET)):
        raise RelevanceError(f"{folder} exists and is not a test collection, so it is not replaced. Name another.")


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a new folder, and put it in the place of a collection that is already there.

    Raises:
        RelevanceError: The folder holds something else than a collection, or cannot be written.
    """
    require_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            write(aside)
            os.chmod(aside, 0o755)
            replace_folder(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise RelevanceError(f"cannot write {folder}: {error.strerror}.") from error
