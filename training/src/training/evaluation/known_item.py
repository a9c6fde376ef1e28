"""Make a known-item set of a file's papers: a part of each paper is the query, the rest is the passage to find.

Usage: python -m training.evaluation.known_item PAPERS FOLDER [--kind KIND] [--most N] [--map FIELDS]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from akin import relevance
from akin.papers import Paper, PapersError, read_papers
from training.errors import EvaluationError
from training.evaluation.retrieval import relevance_errors
from training.progress import log_progress

RUN_KINDS = ("title", "first_sentence")
"""Kinds of set that a training run makes of its held-out papers."""


def write_known_items(papers: Iterable[Paper], folder: Path, *, kind: str, most: int) -> int:
    """Write a known-item set as `relevance.write_known_items` does, and return its number of queries.

    Raises:
        EvaluationError: The kind does not exist, too few papers fit it, or the folder cannot be written.
    """
    with relevance_errors():
        return relevance.write_known_items(papers, folder, kind=kind, most=most)


def main() -> int:
    """Run the command; return 0 for success and 1 for an error, which is written to standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluation.known_item",
        description="Make a known-item set: a part of each paper is the query, the rest is the passage to find.",
    )
    parser.add_argument("papers", type=Path, help="a file of papers that no training has used")
    parser.add_argument("folder", type=Path, help="the folder to write, in BEIR's layout")
    parser.add_argument(
        "--kind",
        choices=sorted(relevance.KNOWN_ITEM_KINDS),
        default="title",
        help="the part that is the query (default: title)",
    )
    parser.add_argument("--most", type=int, default=10_000, help="greatest number of papers (default: 10000)")
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


if __name__ == "__main__":
    sys.exit(main())
