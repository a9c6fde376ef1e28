"""Limit on the rate of requests of one client; off unless set.

Each address has a token bucket: a client may send `burst` requests at once, and then as many as the bucket is filled
with. The limit keeps a single client from using up the service; it does not protect from many clients together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic

from starlette.types import ASGIApp, Receive, Scope, Send

from retrieval_service.routes.error_handlers import error_response

_CLIENTS_KEPT = 10_000
_CHARGE = "akin.charge"
# Monitors must reach the service while clients are refused, and documentation costs nothing.
_UNLIMITED = ("/health", "/docs", "/openapi.json")


class RateLimit:
    """Middleware that answers 429 with Retry-After to clients that send requests too fast."""

    def __init__(self, app: ASGIApp, rate: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        """Wrap an application.

        Args:
            app: The application.
            rate: Requests a second that a client may send in the long run; greater than 0.
            burst: Requests that it may send at once.
            clock: Returns seconds.
        """
        self._app = app
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and not scope["path"].startswith(_UNLIMITED) and (wait := self._wait(scope)) > 0:
            seconds = ceil(wait)
            message = f"You send more than {self._rate:g} requests a second; wait {seconds} s."
            detail = {"rate": self._rate, "burst": self._burst}
            refusal = error_response(429, "rate_limited", message, detail, {"Retry-After": str(seconds)})
            await refusal(scope, receive, send)
            return
        if scope["type"] == "http":
            scope[_CHARGE] = self._charge
        await self._app(scope, receive, send)

    def _charge(self, scope: Scope, requests: int) -> None:
        client = _client(scope)
        tokens, at = self._buckets.get(client, (float(self._burst), self._clock()))
        self._buckets[client] = (tokens - requests, at)

    def _wait(self, scope: Scope) -> float:
        """Return the seconds until the client may send a request; if that is 0, take a token."""
        client, now = _client(scope), self._clock()
        tokens, at = self._buckets.pop(client, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > _CLIENTS_KEPT:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._rate


def charge(scope: Scope, requests: int) -> None:
    """Count a request that does the work of several as so many more; its client's next request waits for them."""
    if limit := scope.get(_CHARGE):
        limit(scope, requests)


def _client(scope: Scope) -> str:
    address = scope["client"][0] if scope.get("client") else ""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    # One client may have a whole /64 network of IPv6 addresses.
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else address
