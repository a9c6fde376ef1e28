"""Add the headers that limit what a page may load and which sites may frame it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


_SHARED = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "midi",
                        "payment", "usb")
    ),
}  # fmt: skip


def api_headers(style: str) -> dict[str, str]:
    """Return the headers of the HTTP interface, which loads nothing but the style sheet inside `/docs`.

    Args:
        style: The digest of that sheet as a source in the policy, such as `'sha256-…'`.
    """
    policy = {
        "default-src": "'none'",
        "style-src": style,
        "img-src": "data:",  # the empty icon of /docs; without it browsers request one
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
    }
    # The address of a search contains the query: never send it to other sites.
    return _headers(policy, "no-referrer")


def page_headers() -> dict[str, str]:
    """Return the headers of the search page, which loads only its own files.

    Gradio 6 fails without three of these sources. Its page starts with inline scripts that hold its configuration, and
    adds the page's own script as another one (`'unsafe-inline'` for scripts). It compiles text to functions, for its
    HTML components and for events that call a script (`'unsafe-eval'`). It sets styles inline (`'unsafe-inline'` for
    styles).
    """
    policy = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "frame-src": "'none'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
    }
    return _headers(policy, "same-origin")


class SecurityHeaders:
    """Middleware that adds headers to every answer, errors included."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        """Wrap an application."""
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        # A policy of the application stays: browsers apply both.
        self._names = frozenset(name for name, _ in self._headers) - {b"content-security-policy"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [each for each in message.get("headers", ()) if each[0].lower() not in self._names]
                message = {**message, "headers": [*kept, *self._headers]}
            await send(message)

        await self._app(scope, receive, with_headers)


def _headers(policy: Mapping[str, str], referrer: str) -> dict[str, str]:
    directives = "; ".join(f"{name} {sources}" for name, sources in policy.items())
    return {"Content-Security-Policy": directives, "Referrer-Policy": referrer, **_SHARED}
