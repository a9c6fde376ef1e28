"""Serve every route below `/v1` too, so that the interface can change under another prefix."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/v1"
"""The prefix of the interface as OpenAPI shows it; the plain paths are aliases."""


class VersionPrefix:
    """Middleware that removes the prefix from a path, so that nothing behind it can treat the two paths differently."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its plain path."""
        if scope["type"] == "http" and scope["path"].startswith(f"{PREFIX}/"):
            raw = scope.get("raw_path") or scope["path"].encode()
            scope = {
                **scope,
                "path": scope["path"].removeprefix(PREFIX),
                "raw_path": raw.removeprefix(PREFIX.encode()),
            }
        await self._app(scope, receive, send)
