"""Read what a trusted proxy says of a request, and serve below the path under which it publishes a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from akin.edge.errors import refuse

_READ = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
# Gradio would read its own one too, which proxies do not know and so pass on from clients.
_SAID_BY_PROXIES = (b"x-forwarded-", b"forwarded", b"x-gradio-server")


def trust_in(trusted: str) -> Callable[[str], bool]:
    """Return a function that is true for the addresses of proxies, given as `BehindProxy` takes them."""
    nothing: Any = None
    return ProxyHeadersMiddleware(nothing, trusted).trusted_hosts.__contains__


class BehindProxy:
    """Middleware that believes three `X-Forwarded-` headers of trusted proxies, and removes those of everybody else.

    A path below the root path loses it, so that the proxy may remove it or keep it.
    """

    def __init__(self, app: Any, trusted: str, root_path: str) -> None:
        """Wrap an application.

        Args:
            app: The application.
            trusted: Addresses and networks of the proxies, with commas between them; `*` is any.
            root_path: The path under which a proxy publishes the server, such as `/akin`; empty for none.
        """
        self._app = app
        self._believe = ProxyHeadersMiddleware(self._serve, trusted)
        self._root_path = root_path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on with the client, the scheme and the path that it has for the application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        trusted = client is not None and client[0] in self._believe.trusted_hosts
        kept = _READ if trusted else ()
        headers = [each for each in scope["headers"] if each[0] in kept or not each[0].startswith(_SAID_BY_PROXIES)]
        inner: Any = self._believe if trusted else self._serve
        await inner({**scope, "headers": headers}, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        root, path = self._root_path, scope["path"]
        if root and path == root and scope["type"] == "http":
            # Relative links need the slash.
            await refuse(send, 308, "", [("location", f"{root}/")])
            return
        if root and path.startswith(f"{root}/"):
            scope = {**scope, "path": path.removeprefix(root), "raw_path": scope["raw_path"][len(root) :]}
        await self._app(scope, receive, send)
