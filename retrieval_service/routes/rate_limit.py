"""Limit on the rate of requests of one client; off unless set.

Each key has a token bucket, or each address where there are no keys: a client may send `burst` requests at once, and
then as many as the bucket is filled with. A request that does the work of several (`costs`) takes as many tokens; what
it costs is known once it was read, so that the bucket may fall below zero, and the next request waits for that. The
limit keeps a single client from using up the service; it does not protect from many clients together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from time import monotonic
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval_service.routes.access import CHARGE, key_of
from retrieval_service.routes.error_handlers import error_response

HEADERS_OF_LIMIT: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
"""Headers of an answer: the requests that may be sent at once, those of them that are left, seconds until all are."""
_CLIENTS_KEPT = 10_000
_READER: Final = b"akin-reader"  # the page's server names its reader, see gradio_ui/reader.py
# Monitors must reach the service while clients are refused, and documentation costs nothing.
_UNLIMITED = ("/health", "/docs", "/openapi.json")


@dataclass(slots=True)
class _Bucket:
    """Tokens of a client at a moment, and the number that come back in a second."""

    tokens: float
    at: float
    rate: float


class RateLimit:
    """Middleware that answers 429 with Retry-After to clients that send requests too fast."""

    def __init__(
        self,
        app: ASGIApp,
        rate: float,
        burst: int,
        clock: Callable[[], float] = monotonic,
        trusted: Callable[[str], bool] = lambda address: False,
    ) -> None:
        """Wrap an application.

        Args:
            app: The application.
            rate: Requests a second that a client may send in the long run; 0 limits only the keys with their own rate.
            burst: Requests that it may send at once.
            clock: Returns seconds, and never goes back.
            trusted: True for addresses that may name the reader whom they ask for, where there are no keys.
        """
        self._app = app
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._trusted = trusted
        # Apart, so that many addresses do not make the service forget what a key has used.
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()
        self._keys: OrderedDict[str, _Bucket] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(_UNLIMITED) or not (bucket := self._bucket(scope)):
            await self._app(scope, receive, send)
            return
        if bucket.tokens < 1:
            seconds = ceil((1 - bucket.tokens) / bucket.rate)
            message = f"You send more than {bucket.rate:g} requests a second; wait {seconds} s."
            detail = {"rate": bucket.rate, "burst": self._burst}
            headers = {"Retry-After": str(seconds), **self._left(bucket)}
            await error_response(429, "rate_limited", message, detail, headers)(scope, receive, send)
            return
        bucket.tokens -= 1

        def take(requests: int) -> None:
            bucket.tokens -= requests

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                left = [(name.lower().encode(), value.encode()) for name, value in self._left(bucket).items()]
                message = {**message, "headers": [*message.get("headers", ()), *left]}
            await send(message)

        scope[CHARGE] = take
        await self._app(scope, receive, with_headers)

    def _bucket(self, scope: Scope) -> _Bucket | None:
        """Return the client's bucket, filled up to now; None if it has no limit."""
        key = key_of(scope)
        rate = key.rate if key and key.rate is not None else self._rate
        if not rate:
            return None
        buckets, name = self._addresses, ""
        if key is not None and not key.per_reader:
            buckets, name = self._keys, key.name
        else:
            name = _network(self._reader(scope, is_trusted=key is not None))
        now = self._clock()
        bucket = buckets.pop(name, None) or _Bucket(float(self._burst), now, rate)
        buckets[name] = bucket
        if len(buckets) > _CLIENTS_KEPT:
            buckets.popitem(last=False)
        bucket.tokens = min(float(self._burst), bucket.tokens + max(0.0, now - bucket.at) * rate)
        bucket.at, bucket.rate = now, rate
        return bucket

    def _reader(self, scope: Scope, is_trusted: bool) -> str:
        """Return the address that a request counts for: that of its client, or of the reader for whom the page asks."""
        client: str = scope["client"][0] if scope.get("client") else ""
        named = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == _READER]
        if len(named) != 1 or not (is_trusted or self._trusted(client)):
            return client
        try:
            return str(ip_address(named[0]))
        except ValueError:
            return client

    def _left(self, bucket: _Bucket) -> dict[str, str]:
        missing = max(0.0, self._burst - bucket.tokens)
        values = self._burst, max(0, int(bucket.tokens)), ceil(missing / bucket.rate)
        return dict(zip(HEADERS_OF_LIMIT, map(str, values), strict=True))


def charge(scope: Scope, requests: int) -> None:
    """Count a request that does the work of several as so many more; its client's next request waits for them."""
    if requests > 0 and (take := scope.get(CHARGE)):
        take(requests)


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        # One client may have a whole /64 network of IPv6 addresses.
        return str(IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)
