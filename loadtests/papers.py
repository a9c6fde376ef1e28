"""The papers that queries are drawn from: read from a file, or asked of the service that searches them."""

from __future__ import annotations

import gzip
import json
import random
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from loadtests.errors import BadOption

# Enough for hours of different queries, and read in a second.
MOST_PAPERS = 20_000
_LONGEST_ABSTRACT = 8_000
_FRUITLESS_SEARCHES = 25
# Words of every science, to start from where the service knows no categories.
_SEEDS = (
    "learning from data", "quantum states", "galaxies and stars", "graphs and algorithms", "language models",
    "differential equations", "random processes", "magnetic materials", "particle physics", "groups and algebra",
    "image recognition", "control and optimisation", "gene networks", "black holes", "markets and risk",
    "number theory", "fluid flow", "wireless networks", "question answering", "knowledge representation",
)  # fmt: skip


class Paper(NamedTuple):
    """What a person would paste."""

    title: str
    abstract: str


class GatheredPapers(NamedTuple):
    """Papers, and which texts were already used as queries to find them."""

    papers: list[Paper]
    used: list[str]


def read_papers(path: Path, most: int = MOST_PAPERS) -> list[Paper]:
    """Papers of a file of JSON lines (one object each, with `title` and `abstract` or `text`), plain or .gz.

    Lines that hold no such paper are passed over.

    Args:
        path: The file.
        most: Reading stops there.

    Raises:
        BadOption: The file cannot be read, or holds no paper.
    """
    papers: list[Paper] = []
    try:
        for line in _lines(path):
            paper = _paper_of_line(line)
            if paper is not None:
                papers.append(paper)
                if len(papers) >= most:
                    break
    except (OSError, EOFError, zlib.error) as error:
        raise BadOption(f"{path} cannot be read: {error}.") from error
    if not papers:
        raise BadOption(f"{path} holds no papers: it needs one JSON object a line, with a title and an abstract.")
    return papers


def papers_of_service(
    search: Callable[[dict[str, Any]], list[dict[str, Any]]],
    categories: list[str],
    total: int,
    *,
    seed: int = 0,
    most: int = 3_000,
    seconds: float = 30.0,
) -> GatheredPapers:
    """Papers of the live snapshot, gathered as a reader would: by searching, and by searching for what was found.

    Args:
        search: Asks `POST /search` and returns its results.
        categories: Names of the corpus's categories, to start from.
        total: How many papers there are.
        seed: Of which found titles are searched for.
        most: Enough.
        seconds: Gathering ends then, with what there is.
    """
    drawn = random.Random(seed)
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
        papers |= {key: Paper(_tidy(found["title"]), _tidy(found["abstract"])) for key, found in new.items()}
        fruitless = 0 if new else fruitless + 1
        # A few of each harvest lead on; all of them would stay in the neighbourhood of the first.
        waiting.extend(found["title"] for found in drawn.sample(list(new.values()), min(3, len(new))))
    return GatheredPapers(list(papers.values()), used)


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if zipped else path.open("rb") as lines:
        yield from lines


def _paper_of_line(line: bytes) -> Paper | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    title, abstract = record.get("title"), record.get("abstract") or record.get("text")
    if not isinstance(title, str) or not isinstance(abstract, str) or not title.strip() or not abstract.strip():
        return None
    return Paper(_tidy(title), _tidy(abstract))


def _tidy(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_ABSTRACT]
