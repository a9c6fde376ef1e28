"""Pairs of texts that belong together, made of a corpus of any size: papers are read by position, never all at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from papers import Paper, passage_text
from relevance import KNOWN_ITEM_KINDS
from training.data.corpus import Corpus, shuffle
from training.data.sentences import halves
from training.errors import CorpusError
from training.pipeline.configuration import Pairs

NO_SUBJECT = -1


class Pair(msgspec.Struct, frozen=True, omit_defaults=True):
    """Two texts.

    Attributes:
        kind: of `pairs.shares`.
        anchor: what looks.
        positive: what it should find.
        label: 1 where they belong together, 0 where not; None in pairs that all do.
    """

    kind: str
    anchor: str
    positive: str
    label: int | None = None


class Citation(msgspec.Struct, frozen=True):
    """One paper cites another, by the ids of the corpus."""

    citing: str
    cited: str


def known_item(kind: str, paper: Paper) -> Pair | None:
    """What a known-item search of this kind asks and should find, so that training is for what is measured."""
    parts = KNOWN_ITEM_KINDS[kind](paper)
    if parts is None:
        return None
    query, title, text = parts
    return Pair(kind, query, passage_text(Paper(id=paper.id, title=title, abstract=text)))


def two_halves(paper: Paper) -> Pair | None:
    """The first half of an abstract looks for the second."""
    cut = halves(paper.abstract)
    return Pair("halves", *cut) if cut else None


def make_pairs(corpus: Corpus, settings: Pairs, seed: int) -> Iterator[Pair]:
    """The pairs that the settings ask for, kind by kind.

    The kinds of one paper (title, first sentence, halves) share the papers among them: no paper gives two pairs.

    Raises:
        CorpusError: The corpus cannot give a kind that was asked for.
    """
    shares = {kind: share for kind, share in settings.shares.items() if share > 0}
    if not shares:
        raise CorpusError("pairs.shares: every share is 0, so there is nothing to train on.")
    total = sum(shares.values())
    most = settings.most or len(corpus)
    start = 0
    for number, (kind, share) in enumerate(sorted(shares.items())):
        wanted = max(1, round(most * share / total))
        if kind == "subject":
            yield from subject_pairs(corpus, wanted, balanced=settings.balanced, labelled=settings.labelled, seed=seed)
        elif kind == "citation":
            yield from citation_pairs(corpus, settings.citations, wanted)
        else:
            order = list(shuffle(len(corpus), None, seed))
            end = start + round(len(order) * share / total)
            own = order[start:] if number == len(shares) - 1 else order[start:end]
            start = end
            yield from _of_papers(kind, corpus, own, wanted)


def subject_pairs(
    corpus: Corpus, wanted: int, *, balanced: bool, labelled: bool = False, seed: int = 0
) -> Iterator[Pair]:
    """Abstracts of papers that share their primary category.

    Args:
        corpus: papers with categories.
        wanted: pairs.
        balanced: draw subjects evenly; otherwise each as often as it has papers.
        labelled: follow each pair with one of two subjects, labelled 0.
        seed: of the drawing.

    Raises:
        CorpusError: No subject has two papers, or with `labelled` there is only one.
    """
    names: dict[str, int] = {}
    subjects = np.array(
        [names.setdefault(paper.categories[0], len(names)) if paper.categories else NO_SUBJECT for paper in corpus]
    )
    members = {number: np.flatnonzero(subjects == number) for number in names.values()}
    several = [number for number, found in members.items() if len(found) > 1]
    if not several:
        raise CorpusError(
            "pairs=subject: no subject has two papers, so no pair shares one. Give a larger corpus or other pairs."
        )
    if labelled and len(members) < 2:
        raise CorpusError("pairs.labelled: all papers have one subject, so no pair has two.")
    rng = np.random.default_rng(seed)
    weights = np.array([1 if balanced else len(members[number]) for number in several], dtype=np.float64)
    for number in rng.choice(several, wanted, p=weights / weights.sum()):
        one, other = rng.choice(members[number], 2, replace=False)
        anchor = corpus[int(one)].abstract
        yield Pair("subject", anchor, corpus[int(other)].abstract, 1 if labelled else None)
        if labelled:
            yield Pair("subject", anchor, corpus[_of_another(subjects, int(number), rng)].abstract, 0)


def citation_pairs(corpus: Corpus, file: str | None, wanted: int) -> Iterator[Pair]:
    """Papers that cite each other, both in the corpus.

    Raises:
        CorpusError: The file cannot be read, or none of its citations is between two papers of the corpus.
    """
    if file is None:
        raise CorpusError('pairs.citations: name the file of citations (JSON lines, {"citing": id, "cited": id}).')
    try:
        lines = Path(file).expanduser().read_bytes().splitlines()
        found = [msgspec.json.decode(line, type=Citation) for line in lines if line.strip()]
    except (OSError, msgspec.DecodeError) as error:
        raise CorpusError(f"pairs.citations: {file} cannot be read: {error}.") from error
    known = {identity for citation in found for identity in (citation.citing, citation.cited)}
    place = {paper.id: index for index, paper in enumerate(corpus) if paper.id in known}
    inside = [citation for citation in found if citation.citing in place and citation.cited in place]
    if not inside:
        raise CorpusError(
            f"pairs.citations: none of the {len(found)} citations of {file} is between papers that train."
        )
    for citation in inside[:wanted]:
        one, other = (corpus[place[end]] for end in (citation.citing, citation.cited))
        yield Pair("citation", passage_text(one), passage_text(other))


def _of_papers(kind: str, corpus: Corpus, order: list[int], wanted: int) -> Iterator[Pair]:
    made = 0
    for index in order:
        if made == wanted:
            return
        paper = corpus[index]
        pair = two_halves(paper) if kind == "halves" else known_item(kind, paper)
        if pair is not None:
            made += 1
            yield pair
    if not made:
        raise CorpusError(f"pairs.shares.{kind}: no paper of the corpus gives such a pair.")


def _of_another(subjects: NDArray[Any], number: int, rng: np.random.Generator) -> int:
    while True:
        index = int(rng.integers(len(subjects)))
        if subjects[index] not in (number, NO_SUBJECT):
            return index
