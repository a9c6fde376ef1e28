"""Known-item search: a part of a paper is the query, the rest of it the one passage to find among all others'."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from papers import Paper, PapersError, read_papers
from storage.durable import sync
from training.data.known_item import KNOWN_ITEMS, KnownItem
from training.errors import EvaluationError
from training.evaluation.collection import CORPUS, QRELS, QUERIES
from training.progress import log_progress

FEWEST = 10


def write_known_items(papers: Iterable[Paper], folder: Path, *, kind: str, most: int) -> int:
    """Writes a known-item set as a folder in BEIR's layout, whole or not at all.

    Papers whose query another paper before them has (errata, "Comment on …") are left out: both would be right.

    Args:
        papers: held out from training; the first `most` that the kind fits are taken.
        folder: what to write; one that is there already is replaced.
        kind: of `KNOWN_ITEMS`.
        most: queries, and passages, at most.

    Returns:
        How many there are.

    Raises:
        EvaluationError: There is no such kind, fewer than `FEWEST` papers fit it, or the folder cannot be written.
    """
    if kind not in KNOWN_ITEMS:
        raise EvaluationError(f"there is no known-item search by {kind!r}; there are: {', '.join(KNOWN_ITEMS)}.")
    seen: set[str] = set()
    items: list[tuple[str, KnownItem]] = []
    for paper in papers:
        if len(items) == most:
            break
        parts = KNOWN_ITEMS[kind](paper)
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
        "--kind", choices=sorted(KNOWN_ITEMS), default="title", help="what the query is (default: title)"
    )
    parser.add_argument("--most", type=int, default=10_000, help="papers at most (default: 10000)")
    parser.add_argument("--map", help="the fields of the papers, such as id=_id,title=title,abstract=text")
    options = parser.parse_args()
    try:
        with read_papers(options.papers, options.map) as papers:
            count = write_known_items(papers, options.folder, kind=options.kind, most=options.most)
    except (EvaluationError, PapersError) as error:
        log_progress(f"known_item: {error}")
        return 1
    log_progress(f"{count:,} papers to find, in {options.folder}")
    return 0


def _write(folder: Path, items: list[tuple[str, KnownItem]]) -> None:
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
