"""The second service of a comparison: it answers with a candidate encoder, and its results are interleaved."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import httpx
import msgspec

from akin.feedback.interleaving import team_draft
from akin.feedback.records import EncoderRecord, Side
from retrieval_service.deadline import seconds_left
from retrieval_service.search.answer import SearchAnswer, SearchResult
from retrieval_service.search.ordering import has_order
from retrieval_service.search.request import Mode, SearchRequest

_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(SearchAnswer).decode
_CONNECTIONS = httpx.Limits(max_connections=64, max_keepalive_connections=16)


class Incomparable(Exception):
    """Answers that cannot be compared; the message says why."""


class SecondService:
    """A service at an address, which is asked for a share of the searches."""

    def __init__(
        self,
        address: str,
        share: float,
        seconds: float,
        values: Callable[[SearchRequest], Mapping[str, Any]],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the service.

        Args:
            address: Its address.
            share: Share of the searches.
            seconds: Longest wait for its answer.
            values: Returns the parameters of a request by their names in HTTP.
            transport: Transport of httpx, for tests.
        """
        self._share, self._seconds, self._values = share, seconds, values
        # The environment's proxies are not for a service of one's own.
        self._http = httpx.AsyncClient(
            base_url=address, transport=transport, limits=_CONNECTIONS, timeout=seconds, trust_env=False
        )
        self._address = address
        self._trouble: str | None = None

    def draws(self, request: SearchRequest, seed: str) -> bool:
        """Return True if a search is one of the share; the same for the same seed.

        Only first pages in the order of relevance are compared, and only where the encoder takes part.
        """
        return (
            request.offset == 0
            and request.cursor is None
            and not has_order(request)
            and request.mode is not Mode.LEXICAL
            and Random(f"share {seed}").random() < self._share
        )

    async def search(self, request: SearchRequest) -> SearchAnswer | None:
        """Return the second service's answer; None if it has none in time, after a line in the log."""
        seconds = min(self._seconds, seconds_left() / 2)
        asked = self._values(replace(request, facets=False, suggest=False, chase=False, feedback=False))
        try:
            response = await self._http.post(
                "/v1/search", json=asked, timeout=seconds, headers={"Akin-Timeout": f"{max(seconds, 0.001):.3f}"}
            )
            response.raise_for_status()
            return _decode(response.content)
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            self.note(f"has no answer that can be used ({type(error).__name__}: {error})")
            return None

    def note(self, trouble: str | None) -> None:
        """Log a reason for plain answers, once per change; None if answers are interleaved."""
        if trouble != self._trouble:
            if trouble:
                _log.warning("the second service at %s %s: answers are not interleaved", self._address, trouble)
            else:
                _log.info("answers are interleaved with those of %s", self._address)
        self._trouble = trouble

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def encoder_of(answer: SearchAnswer) -> EncoderRecord:
    """Return the encoder and the snapshot of an answer."""
    return EncoderRecord(answer.encoder.version, answer.encoder.digest, answer.snapshot)


def interleave(
    own: SearchAnswer, other: SearchAnswer, count: int, seed: str
) -> tuple[list[SearchResult], list[Side | None]]:
    """Return a page of the results of two answers, and the side of each.

    Args:
        own: Answer of this service; a result that both have is shown as this one has it.
        other: Answer of the second service.
        count: Number of results.
        seed: Seed of the draft.

    Raises:
        Incomparable: A difference between them would not be one of the encoders.
    """
    if own.degraded or other.degraded:
        raise Incomparable("has an answer without one of the halves")
    if own.encoder.digest == other.encoder.digest:
        raise Incomparable("has the same encoder")
    if own.searched != other.searched or own.mode != other.mode:
        raise Incomparable(f"searches other papers ({other.searched} instead of {own.searched})")
    results = {result.id: result for result in own.results}
    # A paper may stand for its duplicates here and be one of them there.
    names = {name: result.id for result in own.results for name in (result.id, *result.duplicates)}
    ranking: dict[str, None] = {}
    for result in other.results:
        key = next((names[name] for name in (result.id, *result.duplicates) if name in names), result.id)
        results.setdefault(key, result)
        ranking.setdefault(key)
    page = team_draft([result.id for result in own.results], list(ranking), count, seed)
    return [results[key] for key, _ in page], [side for _, side in page]
