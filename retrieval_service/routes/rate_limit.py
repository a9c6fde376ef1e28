"""A limit on how fast one client may ask, off unless set.

A token bucket for each address: a client may ask `burst` times at once, and then as fast as the bucket fills again. It
keeps one client from taking all of the service; it is no protection against many that act as one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic

from starlette.types import ASGIApp, Receive, Scope, Send

from retrieval_service.routes.failures import error_response

_CLIENTS_KEPT = 10_000
# Whoever watches the service must see it while clients are refused, and reading what can be asked costs nothing.
_FREE = ("/health", "/docs", "/openapi.json")


class RateLimit:
    """Middleware that answers 429 with Retry-After to clients that ask too fast."""

    def __init__(self, app: ASGIApp, rate: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        """Wraps an application.

        Args:
            app: the application.
            rate: requests a second that a client may go on with; greater than 0.
            burst: requests it may make at once.
            clock: seconds.
        """
        self._app = app
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it."""
        if scope["type"] == "http" and not scope["path"].startswith(_FREE) and (wait := self._wait(scope)) > 0:
            seconds = ceil(wait)
            message = (
                f"You ask faster than {self._rate:g} times a second; wait {seconds} second{'s' if seconds > 1 else ''}."
            )
            detail = {"rate": self._rate, "burst": self._burst}
            refusal = error_response(429, "rate_limited", message, detail, {"Retry-After": str(seconds)})
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _wait(self, scope: Scope) -> float:
        """Seconds until the client may ask; 0 takes a token."""
        client, now = _client(scope), self._clock()
        tokens, at = self._buckets.pop(client, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > _CLIENTS_KEPT:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._rate


def _client(scope: Scope) -> str:
    address = scope["client"][0] if scope.get("client") else ""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    # A household has a network of IPv6 addresses, and may use each of them once.
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address
