"""Limit on the rate of requests of one client; off unless set.

Each key has an account, or each address where there are no keys (`retrieval_service.accounts`): a client may send
`burst` requests at once, and then as many as come back in a second. A request that does the work of several (`costs`)
takes as many tokens; what it costs is known once it was read, so that the next request waits for that. The limit keeps
a single client from using up the service; it does not protect from many clients together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval_service.accounts import Account, Accounts, Kind, LocalAccounts
from retrieval_service.routes.access import CHARGE, key_of
from retrieval_service.routes.error_handlers import error_response

HEADERS_OF_LIMIT: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
"""Headers of an answer: the requests that may be sent at once, those of them that are left, seconds until all are."""
_READER: Final = b"akin-reader"  # the page's server names its reader, see gradio_ui/reader.py
# Monitors must reach the service while clients are refused, and documentation costs nothing.
_UNLIMITED = ("/health", "/docs", "/openapi.json")


class RateLimit:
    """Middleware that answers 429 with Retry-After to clients that send requests too fast."""

    def __init__(
        self,
        app: ASGIApp,
        rate: float,
        burst: int,
        accounts: Accounts | None = None,
        trusted: Callable[[str], bool] = lambda address: False,
    ) -> None:
        """Wrap an application.

        Args:
            app: The application.
            rate: Requests a second that a client may send in the long run; 0 limits only the keys with their own rate.
            burst: Requests that it may send at once.
            accounts: Where requests are counted; in this process if None.
            trusted: True for addresses that may name the reader whom they ask for, where there are no keys.
        """
        self._app = app
        self._rate = rate
        self._burst = burst
        self._accounts = accounts or LocalAccounts(burst)
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(_UNLIMITED) or not (client := self._client(scope)):
            await self._app(scope, receive, send)
            return
        allowed, account = await self._accounts.take(*client)
        if not allowed:
            seconds = ceil((1 - account.tokens) / account.rate)
            message = f"You send more than {account.rate:g} requests a second; wait {seconds} s."
            detail = {"rate": account.rate, "burst": self._burst}
            headers = {"Retry-After": str(seconds), **self._left(account)}
            await error_response(429, "rate_limited", message, detail, headers)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                left = [(name.lower().encode(), value.encode()) for name, value in self._left(account).items()]
                message = {**message, "headers": [*message.get("headers", ()), *left]}
            await send(message)

        scope[CHARGE] = account.charge
        await self._app(scope, receive, with_headers)

    def _client(self, scope: Scope) -> tuple[Kind, str, float] | None:
        """Return the kind, the name and the rate of a client; None if it has no limit."""
        key = key_of(scope)
        rate = key.rate if key and key.rate is not None else self._rate
        if not rate:
            return None
        if key is not None and not key.per_reader:
            return "key", key.name, rate
        return "address", _network(self._reader(scope, is_trusted=key is not None)), rate

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

    def _left(self, account: Account) -> dict[str, str]:
        missing = max(0.0, self._burst - account.tokens)
        values = self._burst, max(0, int(account.tokens)), ceil(missing / account.rate)
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
