"""One ranking for every page of a search, however deep the page lies.

What an index finds depends on how deep it is searched: a refined index ranks so many candidates for each result that is
asked, a graph keeps more nodes in hand, and equal scores are cut anywhere. So an index is searched to the few depths of
`DEPTHS` only, and what a deeper search adds is put behind what the search before it found.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from retrieval_service.ports import DEPTHS, Hits, Rows

_NOTHING = Hits(np.empty(0, np.int64), np.empty(0, np.float32))


class Ranking:
    """The ranking of one half of a search, as far as it is known.

    Attributes:
        hits: its rows, best first, without those that are left out; a deeper search only appends.
        ended: whether no deeper search will append anything.
    """

    def __init__(self, search: Callable[[int], Hits], left_out: Rows) -> None:
        """Search nothing yet.

        Args:
            search: finds the best rows to a depth.
            left_out: rows that are no results.
        """
        self._search = search
        self._left_out = left_out
        self.hits = _NOTHING
        self.ended = False

    def reach(self, depth: int) -> None:
        """Append what a search to the next of the depths finds; cheap where the ranking has ended."""
        if self.ended:
            return
        asked = depth + len(self._left_out)
        found = self._search(asked)
        all_there_is = len(found.rows) < asked
        self.ended = all_there_is or depth == DEPTHS[-1]
        wanted = None if all_there_is else depth - len(self.hits.rows)
        known = np.concatenate([self._left_out, self.hits.rows])
        new = np.flatnonzero(~np.isin(found.rows, known))[:wanted] if len(known) else slice(wanted)
        rows, scores = found.rows[new], found.scores[new]
        if len(self.hits.rows):
            rows, scores = np.concatenate([self.hits.rows, rows]), np.concatenate([self.hits.scores, scores])
        self.hits = Hits(rows, scores)
