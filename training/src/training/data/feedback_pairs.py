"""Pairs from what readers said of results, as `akin feedback export --as pairs` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from akin.papers import passage_text
from training.data.corpus import TrainingCorpus
from training.errors import CorpusError


class FeedbackPair(msgspec.Struct, frozen=True):
    """Search of a reader, with a useful result and perhaps one that was not useful.

    Attributes:
        kind: `feedback_negatives` with a negative, `feedback` without one.
        anchor: text that was searched for.
        papers: ids of the useful result and of the negative.
    """

    kind: str
    anchor: str
    papers: tuple[str, ...]


def read_feedback(
    corpus: TrainingCorpus, file: str | None, kind: str, wanted: int, seed: int
) -> Iterator[tuple[str, list[str], list[int]]]:
    """Yield the anchor, the passages and the places of the papers of pairs of a kind, drawn at random.

    Only pairs whose papers train are taken, with the corpus's own texts, so that none is of a paper that is held out.

    Raises:
        CorpusError: The file cannot be read, or none of its pairs of the kind is of papers of the corpus.
    """
    if file is None:
        raise CorpusError("pairs.feedback: name a file of `akin feedback export --as pairs`.")
    try:
        lines = Path(file).expanduser().read_bytes().splitlines()
        found = [msgspec.json.decode(line, type=FeedbackPair) for line in lines if line.strip()]
    except (OSError, msgspec.DecodeError) as error:
        raise CorpusError(f"pairs.feedback: {file} cannot be read: {error}.") from error
    known = {paper for pair in found for paper in pair.papers}
    place = {paper.id: index for index, paper in enumerate(corpus) if paper.id in known}
    inside = [
        pair
        for pair in found
        if pair.kind == kind and pair.papers and pair.anchor.strip() and all(paper in place for paper in pair.papers)
    ]
    if not inside:
        raise CorpusError(
            f"pairs.shares.{kind}: none of the {len(found)} pairs in {file} is of this kind and of papers that train. "
            "Set the share to 0, or give a file with ids of the corpus."
        )
    for chosen in sorted(np.random.default_rng(seed).permutation(len(inside))[:wanted].tolist()):
        pair = inside[chosen]
        places = [place[paper] for paper in pair.papers]
        yield pair.anchor, [passage_text(corpus[index]) for index in places], places
