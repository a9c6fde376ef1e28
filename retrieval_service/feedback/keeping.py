"""Offer feedback with an answer, remember what was shown, and store what readers say of it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

from akin.feedback.records import EncoderRecord, Mark, ShownSearch, Side
from akin.feedback.store import FeedbackError, FeedbackFull, FeedbackStore
from retrieval_service.errors import FeedbackUnavailable, NoRoomForFeedback, TooMuchFeedback
from retrieval_service.feedback.recent import RecentSearches
from retrieval_service.feedback.second_service import Incomparable, SecondService, encoder_of, interleave
from retrieval_service.metrics import Metrics
from retrieval_service.search.answer import FeedbackOffer, SearchAnswer
from retrieval_service.search.request import BESIDE_RESULTS, SearchRequest

_log = logging.getLogger(__name__)
PER_SECOND, AT_ONCE = 10.0, 100
"""Feedback that is stored, of all readers together: each is written to the disk at once."""
_EXPIRE_SECONDS = 3600.0


class Feedback:
    """Feedback of a running service.

    Attributes:
        opened: True if it is kept which results a reader opened.
        recent: Searches that readers may give feedback on.
    """

    def __init__(
        self,
        store: FeedbackStore,
        values: Callable[[SearchRequest], Mapping[str, Any]],
        metrics: Metrics,
        *,
        opened: bool = False,
        second: SecondService | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Take the parts.

        Args:
            store: Place of the feedback.
            values: Returns the parameters of a request by their names in HTTP.
            metrics: Counters.
            opened: True to keep which results a reader opened.
            second: Service whose results are interleaved.
            clock: Returns seconds.
        """
        self._store, self._values, self._metrics, self._second = store, values, metrics, second
        self.opened = opened
        self.recent = RecentSearches(clock=clock)
        self._clock = clock
        self._turns, self._turns_at = float(AT_ONCE), clock()
        self._trouble: str | None = None
        self._expiring: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to delete what is too old, now and every hour."""
        self._expiring = asyncio.create_task(self._expire())

    async def stop(self) -> None:
        """Stop that, and close connections."""
        if self._expiring is not None:
            self._expiring.cancel()
            await asyncio.gather(self._expiring, return_exceptions=True)
        if self._second is not None:
            await self._second.close()

    async def answer(self, wanted: SearchRequest, search: Awaitable[SearchAnswer]) -> SearchAnswer:
        """Return the answer of a search with an offer of feedback, interleaved if it is one of the share."""
        seed = new_identity()
        second = self._second if self._second is not None and self._second.draws(wanted, seed) else None
        asked = asyncio.create_task(second.search(wanted)) if second else None
        try:
            found = await search
            other = await asked if asked else None
        except BaseException:
            if asked:
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
            raise
        teams: list[Side | None] | None = None
        if second and other:
            try:
                found.results, teams = interleave(found, other, wanted.k, seed)
                found.folded = sum(len(result.duplicates) for result in found.results)
                if found.chased:
                    shown = {result.id for result in found.results}
                    found.chased = [paper for paper in found.chased if paper.id not in shown]
                second.note(None)
            except Incomparable as error:
                second.note(str(error))
        if second:
            self._metrics.record_interleaving(teams is not None)
        candidate = encoder_of(other) if other and teams is not None else None
        if found.results:
            self.remember(wanted, found, seed, teams, candidate)
            found.feedback = FeedbackOffer(search=seed, days=self._store.days, opened=self.opened)
        return found

    def remember(
        self,
        wanted: SearchRequest,
        found: SearchAnswer,
        identity: str,
        teams: list[Side | None] | None = None,
        candidate: EncoderRecord | None = None,
    ) -> ShownSearch:
        """Keep in memory what a search showed."""
        shown = ShownSearch(
            id=identity,
            time=self._store.time(),
            parameters={name: value for name, value in self._values(wanted).items() if name not in BESIDE_RESULTS},
            words=found.query.words,
            like=[paper.id for paper in found.query.like],
            unlike=[paper.id for paper in found.query.unlike],
            mode=found.mode,
            shown=[result.id for result in found.results],
            offset=found.offset,
            encoder=encoder_of(found),
            candidate=candidate,
            teams=teams,
        )
        self.recent.add(shown)
        return shown

    def take_turn(self) -> None:
        """Take one of the turns of storing.

        Raises:
            TooMuchFeedback: All readers together send more than is stored.
        """
        now = self._clock()
        self._turns = min(float(AT_ONCE), self._turns + (now - self._turns_at) * PER_SECOND)
        self._turns_at = now
        if self._turns < 1:
            raise TooMuchFeedback(
                f"The service stores at most {PER_SECOND:g} marks a second, of all its readers together; repeat the "
                "request in a moment.",
                {"rate": PER_SECOND, "burst": AT_ONCE},
            )
        self._turns -= 1

    async def put(
        self, search: ShownSearch, paper: str, rank: int, *, useful: bool | None, comment: str | None
    ) -> None:
        """Store what a reader says of a result; with `useful` None, that it was opened.

        Raises:
            NoRoomForFeedback: The size limit, or the disk, has no room.
            FeedbackUnavailable: The file cannot be written.
        """
        mark = Mark(
            paper=paper, rank=rank, time=self._store.time(), useful=useful, opened=useful is None, comment=comment
        )
        await self._write(self._store.put, search, mark)
        self._metrics.record_feedback({True: "useful", False: "not_useful", None: "opened"}[useful])

    async def withdraw(self, search: str, paper: str) -> None:
        """Delete what is stored about a result.

        Raises:
            FeedbackUnavailable: The file cannot be written.
        """
        await self._write(self._store.withdraw, search, paper)
        self._metrics.record_feedback("withdrawn")

    async def _write(self, work: Callable[..., object], *arguments: object) -> None:
        try:
            # A request that is given up must not say that nothing was stored, so the write is never cut off.
            await asyncio.shield(asyncio.to_thread(work, *arguments))
        except FeedbackError as error:
            self._log_once(error)
            if isinstance(error, FeedbackFull):
                raise NoRoomForFeedback(
                    "The service has no room for more feedback, so this was not stored; its operator must export and "
                    "delete some."
                ) from error
            raise FeedbackUnavailable("The service cannot write feedback now, so this was not stored.") from error
        self._trouble = None

    def _log_once(self, error: FeedbackError) -> None:
        if str(error) != self._trouble:
            self._trouble = str(error)
            _log.warning("%s", error)

    async def _expire(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._store.expire)
            except FeedbackError as error:
                self._log_once(error)
            await asyncio.sleep(_EXPIRE_SECONDS)


def new_identity() -> str:
    """Return a random id of a search."""
    return secrets.token_urlsafe(12)
