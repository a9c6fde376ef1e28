"""Read titles and abstracts from a file of papers without any package, or compose some for a dry run."""

from __future__ import annotations

import gzip
import json
import lzma
import random
from itertools import islice
from pathlib import Path
from typing import NamedTuple

WORDS = tuple(
    "model data method result system network field energy state time quantum base galaxy spin graph learning matter "
    "wave light cell gene market price proof group ring lattice plasma star dust orbit signal noise filter code".split()
)
"""The words of composed papers; the tiny model's vocabulary has them."""

_OPEN = {".gz": gzip.open, ".xz": lzma.open}


class TitleAndAbstract(NamedTuple):
    """Texts of a paper."""

    title: str
    abstract: str


def read_texts(path: str, most: int) -> list[TitleAndAbstract]:
    """Return the first papers that have a title and an abstract; without a file, composed ones.

    Args:
        path: A file of JSON lines with `title` and `abstract`, maybe packed (.gz, .xz); empty for none.
        most: The greatest number of papers.

    Raises:
        SystemExit: The file cannot be read or has no paper; the message says what to do.
    """
    if not path:
        return compose_texts(min(most, 2000))
    found = []
    try:
        with _OPEN.get(Path(path).suffix, open)(path, "rt", encoding="utf-8") as file:  # type: ignore[operator]
            for line in file:
                record = json.loads(line)
                title, abstract = (" ".join((record.get(name) or "").split()) for name in ("title", "abstract"))
                if title and abstract:
                    found.append(TitleAndAbstract(title, abstract))
                    if len(found) == most:
                        break
    except (OSError, EOFError, ValueError, AttributeError, lzma.LZMAError) as error:
        raise SystemExit(f"{path} cannot be read as JSON lines ({error}): name another file with --papers.") from error
    if not found:
        raise SystemExit(f"{path} has no paper with a title and an abstract: name another file with --papers.")
    return found


def compose_texts(count: int, seed: int = 0) -> list[TitleAndAbstract]:
    """Return papers of random words, the same for the same arguments."""
    rng = random.Random(seed)

    def words(least: int, most: int) -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(least, most)))

    return list(islice((TitleAndAbstract(words(3, 12), words(20, 90)) for _ in range(count)), count))
