"""Retrieval tasks of the package mteb, where it is installed: `mteb:SCIDOCS` in place of a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from akin.papers import Paper
from akin.relevance.collection import Collection
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.collecting import collection_of
from akin.relevance.loaders.files import passage, text_of, whole_gain

PREFIX = "mteb:"


def is_mteb_task(folder: Path) -> bool:
    """Return True for a name such as `mteb:SCIDOCS`."""
    return str(folder).startswith(PREFIX) and not folder.exists()


def read_mteb_task(folder: Path) -> list[Collection]:
    """Load a task, which mteb may fetch, and return a collection for each of its subsets and splits.

    Raises:
        RelevanceError: mteb is not installed, has no such task, cannot load it, or the task is not one of retrieval.
    """
    name = str(folder).removeprefix(PREFIX)
    try:
        import mteb
    except ImportError as error:
        raise RelevanceError(
            f"{folder} is a task of the package mteb, which is not installed. Install it (`uv pip install mteb`, best "
            "in the training environment), or download the data set and give its folder."
        ) from error
    try:
        task = mteb.get_task(name)
    except (KeyError, ValueError) as error:
        raise RelevanceError(f"mteb has no task {name}: {error}") from error
    try:
        task.load_data()
        if convert := getattr(task, "convert_v1_dataset_format_to_v2", None):
            convert(None)
    except (OSError, ValueError) as error:
        raise RelevanceError(f"mteb cannot load {name}: {error}") from error
    data = getattr(task, "dataset", None)
    parts = [
        (subset, split, part)
        for subset, splits in (data or {}).items()
        for split, part in splits.items()
        if isinstance(part, Mapping) and "relevant_docs" in part
    ]
    if not parts:
        raise RelevanceError(f"{name} is no retrieval task of mteb: it has no queries with relevant documents.")
    source = task.metadata.dataset
    found = []
    for subset, split, part in parts:
        words = [name, *([subset] if subset != "default" else []), *([split] if len(parts) > 1 else [])]
        identity = f"mteb {source.get('path')} {source.get('revision')} {subset} {split}"
        digest = hashlib.sha256(identity.encode()).hexdigest()
        found.append(replace(_read(folder, part, "-".join(words)), fingerprint=digest))
    return found


def _read(folder: Path, part: Mapping[str, Any], label: str) -> Collection:
    queries = {text_of(row, "id", label): text_of(row, "text", f"{label}: a query") for row in part["queries"]}
    qrels = {
        str(query): {str(key): whole_gain(gain, f"{label}: query {query}") for key, gain in gains.items()}
        for query, gains in part["relevant_docs"].items()
    }

    def read_corpus() -> Iterator[tuple[str, Paper]]:
        for row in part["corpus"]:
            yield passage(text_of(row, "id", label), row.get("title"), row.get("text"), label)

    return collection_of(folder, queries, qrels, read_corpus, [], label=label)
