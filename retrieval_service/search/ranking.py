"""One ranking for all pages of a search, near or far.

The results of an index depend on the depth of the search: a refined index ranks more candidates for more results, a
graph keeps more nodes, and equal scores may be cut anywhere. So an index is searched only to the depths of `DEPTHS`.
The new results of a deeper search are appended to the earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from retrieval_service.ports import DEPTHS, Hits, Rows

NOTHING = Hits(np.empty(0, np.int64), np.empty(0, np.float32))
"""No rows."""


class Ranking:
    """The ranking of one index, dense or lexical, as deep as it was searched so far.

    Attributes:
        hits: The rows, best first, without the excluded ones; a deeper search only appends.
        ended: True if no deeper search can append anything.
        complete: True if the index holds no further row that matches.
    """

    def __init__(self, search: Callable[[int], Hits], left_out: Rows) -> None:
        """Take the index's search.

        Args:
            search: Returns the best rows to a depth.
            left_out: Rows that must not be results.
        """
        self._search = search
        self._left_out = left_out
        self.hits = NOTHING
        self.ended = self.complete = False

    def search_deeper(self, depth: int) -> None:
        """Search to the next of the depths and append the new rows; do nothing if the ranking has ended."""
        if self.ended:
            return
        requested = depth + len(self._left_out)
        found = self._search(requested)
        self.complete = len(found.rows) < requested
        self.ended = self.complete or depth == DEPTHS[-1]
        wanted = None if self.complete else depth - len(self.hits.rows)
        known = np.concatenate([self._left_out, self.hits.rows])
        new = np.flatnonzero(~np.isin(found.rows, known))[:wanted] if len(known) else slice(wanted)
        rows, scores = found.rows[new], found.scores[new]
        if len(self.hits.rows):
            rows, scores = np.concatenate([self.hits.rows, rows]), np.concatenate([self.hits.scores, scores])
        self.hits = Hits(rows, scores, found.bounds)
