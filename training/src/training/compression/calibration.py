"""Choose the texts that an encoder is calibrated with, and the held-out texts that its parity is measured on.

Ranges that are measured on abstracts alone are wrong for queries, and the reverse. Both sets therefore hold every kind
of text that a served encoder gets: whole passages, single sentences, titles, and queries of a few words.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from papers import Paper, PapersError, passage_text, read_papers
from training.errors import CalibrationError

FEWEST_PAPERS = 40
MOST_PAPERS_READ = 20_000
HELD_OUT_SHARE = 0.3


@dataclass(frozen=True)
class Texts:
    """Two sets of texts that share no paper.

    Attributes:
        calibration: texts that ranges and roundings are measured on.
        held_out: texts that parity is measured on.
    """

    calibration: tuple[str, ...]
    held_out: tuple[str, ...]


def passages(path: Path, mapping: str | None = None) -> Iterator[str]:
    """Yield the passage texts of a file's first `MOST_PAPERS_READ` papers.

    Raises:
        CalibrationError: The file cannot be read.
    """
    return map(passage_text, _first_papers(path, mapping))


def read_texts(
    path: Path, *, mapping: str | None = None, calibration: int = 200, held_out: int = 120, seed: int = 0
) -> Texts:
    """Draw both sets from a file of papers, of which only the first `MOST_PAPERS_READ` are read.

    Raises:
        CalibrationError: The file cannot be read, or holds fewer than `FEWEST_PAPERS` different papers.
    """
    found = list(_first_papers(path, mapping))
    return draw(found, calibration=calibration, held_out=held_out, seed=seed, where=str(path))


def draw(papers: Sequence[Paper], *, calibration: int, held_out: int, seed: int, where: str) -> Texts:
    """Split papers in two and return texts of every kind from each part, the same texts for the same seed.

    Raises:
        CalibrationError: There are fewer than `FEWEST_PAPERS` different papers with an abstract.
    """
    # Papers are compared by title, so that a paper with two ids cannot be in both parts.
    different = list({paper.title.casefold(): paper for paper in papers if paper.title and paper.abstract}.values())
    if len(different) < FEWEST_PAPERS:
        raise CalibrationError(
            f"{where} has {len(different)} different papers with title and abstract; calibration needs at "
            f"least {FEWEST_PAPERS}. Give a larger file, or leave --calibration out to use the sample."
        )
    rng = random.Random(seed)
    rng.shuffle(different)
    cut = max(int(len(different) * HELD_OUT_SHARE), FEWEST_PAPERS // 4)
    return Texts(calibration=_texts(different[cut:], calibration, rng), held_out=_texts(different[:cut], held_out, rng))


def few_words(paper: Paper, rng: random.Random) -> str:
    """Return a short query for the paper: two to six words of its title, in their order."""
    words = paper.title.split()
    count = min(len(words), rng.randint(2, 6))
    start = rng.randint(0, len(words) - count)
    return " ".join(words[start : start + count])


def one_sentence(paper: Paper, rng: random.Random) -> str:
    """Return a random sentence of the abstract, or the title if the abstract is empty."""
    return rng.choice([sentence for sentence in paper.abstract.split(". ") if sentence.strip()] or [paper.title])


TEXT_KINDS: tuple[tuple[Callable[[Paper, random.Random], str], int], ...] = (
    (lambda paper, _: passage_text(paper), 5),
    (one_sentence, 2),
    (lambda paper, _: paper.title, 2),
    (few_words, 1),
)
"""Kinds of text, and the number of each in ten texts."""


def _texts(papers: Sequence[Paper], count: int, rng: random.Random) -> tuple[str, ...]:
    kinds = [kind for kind, share in TEXT_KINDS for _ in range(share)]
    # Every ten texts, the papers are shifted by one; otherwise a paper could always give the same kind.
    return tuple(kinds[index % 10](papers[(index + index // 10) % len(papers)], rng) for index in range(count))


def _first_papers(path: Path, mapping: str | None) -> Iterator[Paper]:
    try:
        with read_papers(path, mapping) as reader:
            yield from islice(reader, MOST_PAPERS_READ)
    except PapersError as error:
        raise CalibrationError(f"the papers for calibration cannot be read: {error}") from error
