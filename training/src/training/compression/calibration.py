"""Choose the texts that an encoder is calibrated with, and the held-out texts that its parity is measured on.

Ranges that are measured on abstracts alone are wrong for queries, and the reverse. Both sets therefore hold every kind
of text that a served encoder gets: whole passages, single sentences, titles, and queries of a few words.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from akin.papers import Paper, PapersError, passage_text, read_papers
from training.data.corpus import read_corpus
from training.errors import CalibrationError

FEWEST_PAPERS = 40
SAMPLE = 20_000
"""Most papers of a file that texts and vocabulary counts are taken from."""

HELD_OUT = 120
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


def read_sample(
    path: Path, *, mapping: str | None = None, seed: int = 0, is_part: bool = False
) -> tuple[list[Paper], int]:
    """Return a random sample of a file's papers, at most `SAMPLE` of them, in the file's order, and how many it has.

    The whole file is read: its first papers would be those of one time or one subject, because files are sorted.

    Args:
        path: a file of papers.
        mapping: mapping of the papers' fields, if the file needs one.
        seed: seed of the choice.
        is_part: True for a part of a run's corpus, as the stage `prepare` writes it.

    Raises:
        CalibrationError: The file cannot be read.
    """
    rng = random.Random(seed)
    kept: list[tuple[int, Paper]] = []
    count = 0
    for paper in read_corpus(path) if is_part else _papers(path, mapping):
        # Reservoir sampling (Vitter, 1985, algorithm R): each paper of the file is equally likely to be kept.
        if count < SAMPLE:
            kept.append((count, paper))
        elif (place := rng.randrange(count + 1)) < SAMPLE:
            kept[place] = (count, paper)
        count += 1
    return [paper for _, paper in sorted(kept, key=lambda each: each[0])], count


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


def _papers(path: Path, mapping: str | None) -> Iterator[Paper]:
    try:
        with read_papers(path, mapping) as reader:
            yield from reader
    except PapersError as error:
        raise CalibrationError(f"the papers for calibration cannot be read: {error}") from error
