"""The texts an encoder is calibrated with, and the held-out ones its parity is measured on.

Ranges measured on abstracts alone are wrong for queries, and the other way round, so both sets hold every kind of text
that a served encoder meets: whole passages, single sentences, titles, and queries of a few words.
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
        calibration: what ranges and roundings are measured on.
        held_out: what parity is measured on.
    """

    calibration: tuple[str, ...]
    held_out: tuple[str, ...]


def passages(path: Path, mapping: str | None = None) -> Iterator[str]:
    """The passage texts of a file's first `MOST_PAPERS_READ` papers.

    Raises:
        CalibrationError: The file cannot be read.
    """
    try:
        with read_papers(path, mapping) as reader:
            yield from map(passage_text, islice(reader, MOST_PAPERS_READ))
    except PapersError as error:
        raise CalibrationError(f"the papers to calibrate with: {error}") from error


def read_texts(
    path: Path, *, mapping: str | None = None, calibration: int = 200, held_out: int = 120, seed: int = 0
) -> Texts:
    """Draws both sets from a file of papers; only its first `MOST_PAPERS_READ` papers are read.

    Raises:
        CalibrationError: The file cannot be read, or holds fewer than `FEWEST_PAPERS` different papers.
    """
    try:
        with read_papers(path, mapping) as reader:
            found = list(islice(reader, MOST_PAPERS_READ))
    except PapersError as error:
        raise CalibrationError(f"the papers to calibrate with: {error}") from error
    return draw(found, calibration=calibration, held_out=held_out, seed=seed, where=str(path))


def draw(papers: Sequence[Paper], *, calibration: int, held_out: int, seed: int, where: str) -> Texts:
    """Splits papers in two and makes texts of every kind from each part, the same for the same seed.

    Raises:
        CalibrationError: There are fewer than `FEWEST_PAPERS` different papers with an abstract.
    """
    # By title, so that a paper that is there twice under two ids cannot fall on both sides.
    different = list({paper.title.casefold(): paper for paper in papers if paper.title and paper.abstract}.values())
    if len(different) < FEWEST_PAPERS:
        raise CalibrationError(
            f"{where} has {len(different)} different papers with title and abstract; calibration takes at least "
            f"{FEWEST_PAPERS}. Give a larger file, or leave --calibration out to use the sample."
        )
    rng = random.Random(seed)
    rng.shuffle(different)
    cut = max(int(len(different) * HELD_OUT_SHARE), FEWEST_PAPERS // 4)
    return Texts(calibration=_texts(different[cut:], calibration, rng), held_out=_texts(different[:cut], held_out, rng))


def few_words(paper: Paper, rng: random.Random) -> str:
    """What a person might type to find the paper: two to six words of its title, in their order."""
    words = paper.title.split()
    count = min(len(words), rng.randint(2, 6))
    start = rng.randint(0, len(words) - count)
    return " ".join(words[start : start + count])


def one_sentence(paper: Paper, rng: random.Random) -> str:
    """A sentence of the abstract."""
    return rng.choice([sentence for sentence in paper.abstract.split(". ") if sentence.strip()] or [paper.title])


TEXT_KINDS: tuple[tuple[Callable[[Paper, random.Random], str], int], ...] = (
    (lambda paper, _: passage_text(paper), 5),
    (one_sentence, 2),
    (lambda paper, _: paper.title, 2),
    (few_words, 1),
)
"""Kinds of text and how many of each there are in ten."""


def _texts(papers: Sequence[Paper], count: int, rng: random.Random) -> tuple[str, ...]:
    turn = [kind for kind, share in TEXT_KINDS for _ in range(share)]
    # Papers run at another rate than kinds (the step is coprime to ten), or a paper would always give the same kind.
    return tuple(turn[index % 10](papers[(index + index // 10) % len(papers)], rng) for index in range(count))
