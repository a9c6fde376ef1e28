"""Searches whose results readers see at present, in memory only: nothing is stored of a search without feedback."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

import msgspec

from akin.feedback.records import ShownSearch

SECONDS_KEPT = 24 * 3600.0
BYTES_KEPT = 32 << 20

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ShownSearch).decode


class RecentSearches:
    """The latest searches by their ids, within bounds of age and memory; the oldest go first."""

    def __init__(
        self, most_bytes: int = BYTES_KEPT, seconds: float = SECONDS_KEPT, clock: Callable[[], float] = monotonic
    ) -> None:
        """Take the bounds, and the function that returns the present moment in seconds."""
        self._most, self._seconds, self._clock = most_bytes, seconds, clock
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def add(self, search: ShownSearch) -> None:
        """Keep a search."""
        # A query may have 20,000 characters, so bytes are counted and not searches.
        record = _encode(search)
        self._kept[search.id] = self._clock(), record
        self._bytes += len(record)
        while self._kept and (self._bytes > self._most or self._too_old(next(iter(self._kept.values()))[0])):
            _, (_, oldest) = self._kept.popitem(last=False)
            self._bytes -= len(oldest)

    def get(self, identity: str) -> ShownSearch | None:
        """Return a search by its id; None if it is not kept (any more)."""
        found = self._kept.get(identity)
        return None if found is None or self._too_old(found[0]) else _decode(found[1])

    def _too_old(self, moment: float) -> bool:
        return self._clock() - moment > self._seconds
