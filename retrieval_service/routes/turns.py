"""From a request to its turn: how long its client waits, and whether it still does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from math import isfinite
from time import monotonic
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.admission import Admission
from retrieval_service.errors import InvalidParameter

TIMEOUT_HEADER = "akin-timeout"
"""Seconds that the client will wait for the answer, in a header of its request."""


def deadline_of(request: Request, longest: float) -> float:
    """Return the moment until which an answer is worked on, by `time.monotonic`.

    Args:
        request: may say in a header how many seconds its client waits.
        longest: the seconds that the service gives any.

    Raises:
        InvalidParameter: the header says something else.
    """
    now = monotonic()
    said = request.headers.get(TIMEOUT_HEADER)
    if said is None:
        return now + longest
    try:
        seconds = float(said)
    except ValueError:
        seconds = float("nan")
    if not isfinite(seconds) or seconds <= 0:
        raise InvalidParameter(
            f"The header Akin-Timeout must be a number of seconds above 0, such as 2.5, not {said[:40]!r}.",
            {"parameter": "Akin-Timeout"},
        )
    return now + min(seconds, longest)


async def in_turn(
    request: Request, turns: Admission, until: float, work: Callable[[], Coroutine[Any, Any, Response]]
) -> Response:
    """Return the answer that the work makes, in its turn, unless the client is gone before."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    return await turns.run(work, until=until, gone=gone)
