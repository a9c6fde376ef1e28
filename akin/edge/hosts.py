"""Answer only requests for host names that belong to this server.

Another site can point its own name to this machine (DNS rebinding), so that its scripts can read the servers that
listen on loopback here. The browser still sends that site's name in `Host`, and the request is refused for it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from akin.edge.errors import error_body, refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SETTING = "AKIN_ALLOWED_HOSTS"
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?")
_LABELS = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")


def parse_hosts(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas: `example.org`, `*.example.org`, `10.0.0.1`, `[::1]`.

    `*` alone matches every name, `0.0.0.0` and `::` match every address.

    Raises:
        ValueError: One is not such a name.
    """
    hosts = [host.strip().lower() for host in text.split(",") if host.strip()]
    hosts = [host if host == "*." else host.removesuffix(".") for host in hosts]
    for host in hosts:
        if host != "*" and _address(host.strip("[]")) is None and not _LABELS.fullmatch(host.removeprefix("*.")):
            raise ValueError(
                f"{host!r} is not a host; write names without a port, such as example.org, *.example.org, [::1]"
            )
    return tuple(_normal(host.strip("[]")) for host in hosts)


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach a server that listens on a host."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Host names under which a server answers.

    Attributes:
        listed: The names of the setting; `*.example.org` matches every name below `example.org`.
        on_loopback: True if the server listens on a loopback address.
    """

    listed: tuple[str, ...]
    on_loopback: bool

    @classmethod
    def of(cls, listening: str, listed: Collection[str]) -> AllowedHosts:
        """Return the names for a server.

        Args:
            listening: The address that it listens on.
            listed: The names of the setting, from `parse_hosts`; if there are none, any name is allowed except on
                loopback.
        """
        name = listening.strip("[]").lower()
        on_loopback = is_loopback(name)
        # 127.0.0.2 is loopback too, and clients use that name for it.
        return cls((*listed, _normal(name)) if on_loopback else tuple(listed), on_loopback)

    @property
    def any(self) -> bool:
        """Return True if every name is allowed."""
        return "*" in self.listed or not (self.listed or self.on_loopback)

    def permit(self, host: str, from_here: bool) -> bool:
        """Return True if a request for a host is allowed.

        Args:
            host: The header `Host`, with or without a port.
            from_here: True if the request comes from this machine, as health checks do; they use loopback names.
        """
        if self.any:
            return True
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        name = _normal((parts[1] or parts[2]).lower().rstrip("."))
        if name in _LOOPBACK and (self.on_loopback or from_here):
            return True
        # A server on all addresses is reached by any of them. A rebound name of another site is never an address.
        if _EVERY_ADDRESS.intersection(self.listed) and _address(name) is not None:
            return True
        return any(name == one or (one.startswith("*.") and name.endswith(one[1:])) for one in self.listed)


class HostCheck:
    """Middleware that answers 421 to requests for other host names.

    It removes `X-Forwarded-Host` if that name is not allowed, as Gradio writes it into its page.
    """

    def __init__(self, app: ASGIApp, allowed: AllowedHosts) -> None:
        """Wrap an application."""
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if self._allowed.any or scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        from_here = _from_here(scope)
        if len(hosts) == 1 and self._allowed.permit(hosts[0], from_here):
            if any(name == b"x-forwarded-host" for name, _ in scope["headers"]):
                scope = {**scope, "headers": [each for each in scope["headers"] if self._keeps(each, from_here)]}
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            name = f"under the name {hosts[0][:100]!r}" if len(hosts) == 1 else "without a name, or under several"
            message = f"This server does not answer requests {name}. {SETTING} adds names."
            body = error_body("host_not_allowed", message, {"setting": SETTING})
            await refuse(send, 421, body, [("connection", "close")])

    def _keeps(self, header: tuple[bytes, bytes], from_here: bool) -> bool:
        if header[0] != b"x-forwarded-host":
            return True
        first = header[1].decode("latin-1").partition(",")[0].strip()
        return self._allowed.permit(first, from_here)


def _from_here(scope: Scope) -> bool:
    client = scope.get("client")
    address = _address(client[0]) if client else None
    return address is not None and address.is_loopback


@lru_cache(maxsize=1024)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _normal(name: str) -> str:
    address = _address(name)
    return name if address is None else str(address)
