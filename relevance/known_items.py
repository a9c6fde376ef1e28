"""Make known-item sets: a part of a paper is the query, and the rest of the paper is the one relevant passage."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from papers import Paper
from papers.sentences import split_sentences
from relevance.collection import CORPUS, QRELS, QUERIES
from relevance.errors import RelevanceError
from storage.durable import sync

FEWEST = 10
_SHORTEST_SENTENCE = 30
_SHORTEST_REST = 100

Parts = tuple[str, str, str]
"""Query, and the passage's title and text."""


def title_and_abstract(paper: Paper) -> Parts | None:
    """Return the title as query and the abstract as passage; None if the paper lacks one of them."""
    return (paper.title, "", paper.abstract) if paper.title and paper.abstract else None


def first_sentence_and_rest(paper: Paper) -> Parts | None:
    """Return the abstract's first sentence as query and title and rest as passage; None for a short abstract."""
    sentences = split_sentences(paper.abstract, cuts=1)
    if len(sentences) < 2 or len(sentences[0]) < _SHORTEST_SENTENCE or len(sentences[1]) < _SHORTEST_REST:
        return None
    return sentences[0], paper.title, sentences[1]


def last_sentence_and_rest(paper: Paper) -> Parts | None:
    """Return the abstract's last sentence as query and title and rest as passage; None for a single sentence."""
    *rest, last = split_sentences(paper.abstract) or [""]
    return (last, paper.title, " ".join(rest)) if rest and paper.title else None


KNOWN_ITEM_KINDS: dict[str, Callable[[Paper], Parts | None]] = {
    "title": title_and_abstract,
    "first_sentence": first_sentence_and_rest,
    "last_sentence": last_sentence_and_rest,
}
"""Kinds of known-item sets: each makes the parts of a paper, or None for a paper that does not fit."""


def write_known_items(papers: Iterable[Paper], folder: Path, *, kind: str, most: int, fewest: int = FEWEST) -> int:
    """Write a known-item set in BEIR's layout, either completely or not at all, and return its number of queries.

    A paper with the same query as an earlier paper (an erratum, a "Comment on …") is left out, because either paper
    would be a right answer.

    Args:
        papers: papers; the first `most` that fit the kind are taken.
        folder: folder to write; a collection that is already there is replaced.
        kind: a key of `KNOWN_ITEM_KINDS`.
        most: greatest number of queries.
        fewest: least number of queries.

    Raises:
        RelevanceError: The kind does not exist, fewer than `fewest` papers fit it, or the folder cannot be written.
    """
    if kind not in KNOWN_ITEM_KINDS:
        raise RelevanceError(
            f"there is no known-item search by {kind!r}; choose one of: {', '.join(KNOWN_ITEM_KINDS)}."
        )
    items: dict[str, tuple[str, Parts]] = {}
    for paper in papers:
        if len(items) == most:
            break
        parts = KNOWN_ITEM_KINDS[kind](paper)
        if parts is not None:
            items.setdefault(parts[0].casefold(), (paper.id, parts))
    if len(items) < fewest:
        raise RelevanceError(
            f"only {len(items)} papers fit known-item search by {kind}, and it needs {fewest}. Give more papers."
        )
    if folder.exists() and not (folder / CORPUS).is_file():
        raise RelevanceError(f"{folder} exists and is not a test collection, so it is not replaced. Name another.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            _write(aside, items.values())
            os.chmod(aside, 0o755)
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(aside, folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise RelevanceError(f"cannot write {folder}: {error.strerror}.") from error
    return len(items)


def _write(folder: Path, items: Iterable[tuple[str, Parts]]) -> None:
    (folder / QRELS).parent.mkdir()
    with (
        (folder / CORPUS).open("w", encoding="utf-8") as corpus,
        (folder / QUERIES).open("w", encoding="utf-8") as queries,
        (folder / QRELS).open("w", encoding="utf-8") as qrels,
    ):
        qrels.write("query-id\tcorpus-id\tscore\n")
        for identity, (query, title, text) in items:
            corpus.write(json.dumps({"_id": identity, "title": title, "text": text}, ensure_ascii=False) + "\n")
            queries.write(json.dumps({"_id": identity, "text": query}, ensure_ascii=False) + "\n")
            qrels.write(f"{identity}\t{identity}\t1\n")
