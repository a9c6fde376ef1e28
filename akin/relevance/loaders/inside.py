"""Sets inside a larger corpus: a folder with `set.json` only, which names a set and a file of further papers.

    {"set": "../title", "distractors": {"papers": "../distractors.jsonl", "sha256": "…", "without": ["1706.03762"]}}

Paths are relative to the folder. `without` are ids of papers that may be right answers themselves. Several sets use one
file of papers, so that a set in 100,000 papers takes a few kilobytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from akin.papers import Paper
from akin.papers.reservoir import Reservoir
from akin.relevance.collection import QUERIES, SET, Collection, read_digest
from akin.relevance.duplicates import MinHash, group_duplicates
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders.beir import corpus_reader
from akin.relevance.loaders.files import json_file
from akin.relevance.writing import write_folder, write_lines, write_set
from akin.storage.durable import publish_file


def is_inside(folder: Path) -> bool:
    """Return True if a folder has `set.json` and no queries of its own."""
    return (folder / SET).is_file() and not (folder / QUERIES).exists()


def read_inside(folder: Path) -> list[Collection]:
    """Read the set that `set.json` names, with the file of further papers behind its own passages.

    Raises:
        RelevanceError: A file is missing, broken, or not the one that the set was made with.
    """
    from akin.relevance.loaders import read_collection

    about = json_file(folder / SET)
    try:
        base_folder, file = folder / about["set"], folder / about["distractors"]["papers"]
        digest, without = str(about["distractors"]["sha256"]), frozenset(map(str, about["distractors"]["without"]))
    except (KeyError, TypeError) as error:
        raise RelevanceError(
            f"{folder / SET} must have set, and distractors with papers, sha256 and without ({error} is missing or "
            "wrong). Make the folder again."
        ) from error
    base = read_collection(base_folder)

    def read() -> Iterator[tuple[str, Paper]]:
        if read_digest(file) != digest:
            raise RelevanceError(f"{file} is not the file that {folder / SET} was made with. Make the set again.")
        own = set(without)
        for paper in base.papers():
            own.add(paper.id)
            yield f"{base_folder}", paper
        for where, paper in corpus_reader(file)():
            if paper.id not in own:
                yield where, paper

    files = (file, folder / SET, *(base.files or (base.corpus,)))
    return [replace(base, folder=folder, read_corpus=read, files=files, about={**base.about, **about}, label="")]


def write_distractors(papers: Iterable[Paper], path: Path, *, count: int, seed: int) -> frozenset[str]:
    """Write a sample of papers as one file that several sets are put into, and return their ids.

    Raises:
        RelevanceError: No paper is left to draw, or the file cannot be written.
    """
    sample: Reservoir[Paper] = Reservoir(count, seed)
    for paper in papers:
        if not paper.withdrawn and (paper.title or paper.abstract):
            sample.offer(paper)
    if not sample.items:
        raise RelevanceError(f"no paper for {path} has a title or an abstract and is not withdrawn. Give other papers.")
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_lines(aside, ({"_id": each.id, "title": each.title, "text": each.abstract} for each in sample.items))
        publish_file(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise RelevanceError(f"cannot write {path}: {error.strerror}.") from error
    return frozenset(paper.id for paper in sample.items)


def place_inside(base: Path, distractors: Path, folder: Path, without: Iterable[str] | None = None) -> None:
    """Write a folder that means the set `base` inside the papers of `distractors`.

    Args:
        base: folder of a set in any format.
        distractors: file of `write_distractors`.
        folder: folder to write.
        without: ids of papers that may be right answers; None to find the near-duplicates of all passages of the set.

    Raises:
        RelevanceError: A file cannot be read, or the folder cannot be written.
    """
    from akin.relevance.loaders import read_collection

    if without is None:
        without = _near_duplicates(list(read_collection(base).papers()), distractors)
    papers = os.path.relpath(distractors.resolve(), folder.resolve())
    about: dict[str, Any] = {
        "set": os.path.relpath(base.resolve(), folder.resolve()),
        "distractors": {"papers": papers, "sha256": read_digest(distractors), "without": sorted(without)},
    }
    write_folder(folder, lambda aside: write_set(aside, about))


def _near_duplicates(passages: list[Paper], distractors: Path) -> list[str]:
    minhash = MinHash()
    others = [paper for _, paper in corpus_reader(distractors)()]
    groups = group_duplicates(map(minhash.signature, [*passages, *others])).tolist()
    judged = set(groups[: len(passages)])
    return [paper.id for paper, group in zip(others, groups[len(passages) :], strict=True) if group in judged]
