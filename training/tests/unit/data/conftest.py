import random
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from papers import Paper

WORDS = "graph kernel lattice quark galaxy tensor spin neuron market protein theorem plasma orbit boson fluid".split()


@pytest.fixture(scope="session")
def make_papers() -> Callable[[int], list[Paper]]:
    """Return papers of random words, a day apart, with three sentences and one of three subjects each."""

    def make(count: int) -> list[Paper]:
        rng = random.Random(7)

        def text(length: int) -> str:
            return " ".join(rng.choice(WORDS) + str(rng.randint(0, 99)) for _ in range(length))

        return [
            Paper(
                id=f"p{number}",
                title=text(6),
                abstract=f"We study {text(12)}. Then {text(30)}. At last {text(8)}.",
                categories=(("cs.IR", "hep-th", "math.CO")[number % 3],),
                published=date(2000, 1, 1) + timedelta(days=number),
            )
            for number in range(count)
        ]

    return make
