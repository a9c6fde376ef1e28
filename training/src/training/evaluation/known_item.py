"""Known-item search: a part of a paper is the query, the rest of it the one passage to find among all others'."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from papers import Paper, PapersError, read_papers
from storage.durable import sync
from training.errors import EvaluationError
from training.evaluation.collection import CORPUS, QRELS, QUERIES
from training.progress import say

FEWEST = 10
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9$\\])")
_SHORTEST_SENTENCE = 30
_SHORTEST_REST = 100

Parts = tuple[str, str, str]
"""A query, and the passage's title and text."""


def title_and_abstract(paper: Paper) -> Parts | None:
    """The title looks for the abstract."""
    return (paper.title, "", paper.abstract) if paper.title and paper.abstract else None


def first_sentence_and_rest(paper: Paper) -> Parts | None:
    """The abstract's first sentence looks for the title and the other sentences; None where there is only one."""
    sentences = _SENTENCE_END.split(paper.abstract, maxsplit=1)
    if len(sentences) < 2 or len(sentences[0]) < _SHORTEST_SENTENCE or len(sentences[1]) < _SHORTEST_REST:
        return None
    return sentences[0], paper.title, sentences[1]


KNOWN_ITEM_KINDS: dict[str, Callable[[Paper], Parts | None]] = {
    "title": title_and_abstract,
    "first_sentence": first_sentence_and_rest,
}
"""Kinds of known-item search by name."""


def write_known_items(papers: Iterable[Paper], folder: Path, *, kind: str, most: int) -> int:
    """Writes a known-item set as a folder in BEIR's layout, whole or not at all.

    Papers whose query another paper before them has (errata, "Comment on …") are left out: both would be right.

    Args:
        papers: held out from training; the first `most` that the kind fits are taken.
        folder: what to write; one that is there already is replaced.
        kind: of `KNOWN_ITEM_KINDS`.
        most: queries, and passages, at most.

    Returns:
        How many there are.

    Raises:
        EvaluationError: There is no such kind, fewer than `FEWEST` papers fit it, or the folder cannot be written.
    """
    if kind not in KNOWN_ITEM_KINDS:
        raise EvaluationError(f"there is no known-item search by {kind!r}; there are: {', '.join(KNOWN_ITEM_KINDS)}.")
    seen: set[str] = set()
    items: list[tuple[str, Parts]] = []
    for paper in papers:
        if len(items) == most:
            break
        parts = KNOWN_ITEM_KINDS[kind](paper)
        if parts is not None and parts[0].casefold() not in seen:
            seen.add(parts[0].casefold())
            items.append((paper.id, parts))
    if len(items) < FEWEST:
        raise EvaluationError(f"only {len(items)} papers fit known-item search by {kind}; it takes {FEWEST}.")
    if folder.exists() and not (folder / CORPUS).is_file():
        raise EvaluationError(f"{folder} is there and is no test collection: it is left as it is. Name another folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            _write(aside, items)
            os.chmod(aside, 0o755)
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(aside, folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise EvaluationError(f"cannot write {folder}: {error.strerror}.") from error
    return len(items)


def main() -> int:
    """Makes a set of a file's papers."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.known_item", description=__doc__)
    parser.add_argument("papers", type=Path, help="a file of papers that training has not seen")
    parser.add_argument("folder", type=Path, help="what to write; BEIR's layout")
    parser.add_argument(
        "--kind", choices=sorted(KNOWN_ITEM_KINDS), default="title", help="what the query is (default: title)"
    )
    parser.add_argument("--most", type=int, default=10_000, help="papers at most (default: 10000)")
    parser.add_argument("--map", help="the fields of the papers, such as id=_id,title=title,abstract=text")
    options = parser.parse_args()
    try:
        with read_papers(options.papers, options.map) as papers:
            count = write_known_items(papers, options.folder, kind=options.kind, most=options.most)
    except (EvaluationError, PapersError) as error:
        say(f"known_item: {error}")
        return 1
    say(f"{count:,} papers to find, in {options.folder}")
    return 0


def _write(folder: Path, items: list[tuple[str, Parts]]) -> None:
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


if __name__ == "__main__":
    sys.exit(main())
