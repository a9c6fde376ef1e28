"""What a condition that many papers meet costs those who search beside it.

One thread searches for titles, again and again, and its latency is taken: alone, and while another thread goes through
conditions of one kind without a pause, each with another word, so that none is remembered. The papers are made of
those of a file: each has the title of one, parts of the abstracts of two others, and the authors of a third.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from papers import Paper

_BATCH = 5_000
_HALF = 350  # characters of an abstract


def mixed(papers: Sequence[Paper], count: int, seed: int = 1) -> Iterator[Paper]:
    """Yield as many papers as asked, made of some: the same for the same papers, count and seed."""
    chance = random.Random(seed)
    for number in range(count):
        one, first, second, other = (papers[chance.randrange(len(papers))] for _ in range(4))
        yield Paper(
            id=f"{one.id}-{number}",
            title=one.title,
            abstract=f"{first.abstract[:_HALF]} {second.abstract[-_HALF:]}",
            authors=other.authors,
            categories=one.categories,
            published=one.published,
        )
