"""Gather the papers that queries are drawn from: out of a file, or from the service under test by searching."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from akin.papers import MappingError, Paper, PapersError, read_papers
from loadtests.errors import BadOption
from loadtests.service import Target, request_json

# Enough for hours of different queries, and read in a second.
MOST_PAPERS = 20_000
_LONGEST_ABSTRACT = 8_000
_FRUITLESS_SEARCHES = 25
_BEIR_FIELDS = "id=_id,title=title,abstract=text"
# First queries, from many sciences, in case the corpus has no categories.
_SEEDS = (
    "learning from data", "quantum states", "galaxies and stars", "graphs and algorithms", "language models",
    "differential equations", "random processes", "magnetic materials", "particle physics", "groups and algebra",
    "image recognition", "control and optimisation", "gene networks", "black holes", "markets and risk",
    "number theory", "fluid flow", "wireless networks", "question answering", "knowledge representation",
)  # fmt: skip


class GatheredPapers(NamedTuple):
    """Papers, and the texts that were used as queries to find them."""

    papers: list[Paper]
    used: list[str]


def papers_of_file(path: Path, most: int = MOST_PAPERS) -> list[Paper]:
    """Return the papers of a file that have both a title and an abstract.

    Every format that `akin index build` reads without `--map` is accepted, and JSON lines in BEIR's layout.

    Args:
        path: The file.
        most: Stop after this number of papers.

    Raises:
        BadOption: The file cannot be read, or holds no such paper.
    """
    try:
        try:
            reader = read_papers(path)
        except MappingError:
            reader = read_papers(path, _BEIR_FIELDS)
        with reader:
            found = [_shorten(each) for each in islice((each for each in reader if each.title and each.abstract), most)]
    except PapersError as error:
        raise BadOption(f"--queries: {error}") from error
    if not found:
        raise BadOption(f"--queries: {path} holds no paper with a title and an abstract; name another file.")
    return found


def papers_of_service(
    search: Callable[[dict[str, Any]], list[dict[str, Any]]],
    categories: list[str],
    total: int,
    *,
    seed: int = 0,
    most: int = 3_000,
    seconds: float = 30.0,
) -> GatheredPapers:
    """Return papers of the live snapshot: search for first queries, then for titles of the papers that were found.

    Args:
        search: Sends a body to `POST /search` and returns the results.
        categories: The names of the corpus's categories; the first queries.
        total: The number of papers in the corpus.
        seed: The seed for choosing the titles to search for.
        most: Stop after this number of papers.
        seconds: Stop after this time.
    """
    rng = random.Random(seed)
    waiting = deque([*categories[:40], *_SEEDS])
    papers: dict[str, Paper] = {}
    used: list[str] = []
    fruitless = 0
    deadline = time.monotonic() + seconds
    while waiting and len(papers) < min(most, total) and fruitless < _FRUITLESS_SEARCHES:
        if time.monotonic() > deadline:
            break
        query = waiting.popleft()
        used.append(query)
        new = {found["id"]: found for found in search({"query": query, "k": 100}) if found["id"] not in papers}
        papers |= {key: _shorten(Paper(key, found["title"], found["abstract"])) for key, found in new.items()}
        fruitless = 0 if new else fruitless + 1
        # Few titles of each result: all of them would keep the search near the first query.
        waiting.extend(found["title"] for found in rng.sample(list(new.values()), min(3, len(new))))
    return GatheredPapers(list(papers.values()), used)


def papers_of_target(target: Target, seed: int) -> GatheredPapers:
    """Return papers of the live snapshot of a service."""
    return papers_of_service(
        lambda body: list(request_json(target.service, "POST", "/search", body)["results"]),
        list(target.categories.values()),
        target.papers,
        seed=seed,
    )


def _shorten(paper: Paper) -> Paper:
    return msgspec.structs.replace(paper, abstract=paper.abstract[:_LONGEST_ABSTRACT])
