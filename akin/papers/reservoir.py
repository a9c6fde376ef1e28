"""An even sample of a stream whose length is not known (J. S. Vitter 1985, "Random sampling with a reservoir", R)."""

from __future__ import annotations

from random import Random
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Reservoir(Generic[_Item]):
    """A sample of a stream in which every item has the same chance; the same for the same stream.

    Attributes:
        items: The sample so far.
    """

    def __init__(self, size: int, seed: int = 1) -> None:
        """Take the size of the sample, and the seed of the choice."""
        self.items: list[_Item] = []
        self._size = size
        self._seen = 0
        self._random = Random(seed)

    def offer(self, item: _Item) -> None:
        """Take an item into the sample, or leave it out."""
        self._seen += 1
        if len(self.items) < self._size:
            self.items.append(item)
        elif (place := self._random.randrange(self._seen)) < self._size:
            self.items[place] = item
