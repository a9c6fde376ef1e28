"""Answer only clients with a key that allows what they ask for; in the application only where keys are turned on."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from akin.keys import Key, KeyRing
from retrieval_service.errors import EffortNotAllowed
from retrieval_service.routes.error_handlers import error_response

_KEY: Final = "akin.key"
CHARGE: Final = "akin.charge"
"""Name in a request's scope of the function that counts what the request costs."""
# Monitors and newcomers need these. `/metrics` says at which port they are.
_OPEN: Final = frozenset({"/health", "/health/live", "/health/ready", "/docs", "/openapi.json", "/metrics"})
_EMBED: Final = frozenset({"/embed", "/embeddings", "/rerank", "/v2/rerank"})
_IN_ADDRESS = re.compile(
    rb"(^|&)(x-)?(api[-_]?key|access[-_]?token|authorization)=|akin_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", re.IGNORECASE
)
_LONGEST_KEY: Final = 200
_ROOT: Final = 'Bearer realm="akin"'
_NEXT = (
    "Send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY` (the akin command and the page have it from "
    "AKIN_API_KEY); the operator makes one with `akin keys create`."
)


class Access:
    """Middleware that answers 401 without a valid key, and 403 where the key does not allow the request."""

    def __init__(self, app: ASGIApp, ring: KeyRing, only: str | None = None) -> None:
        """Wrap an application.

        Args:
            app: The application.
            ring: The keys.
            only: The scope of every request; if None, the path decides on it.
        """
        self._app = app
        self._ring = ring
        self._only = only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its key, or refuse it."""
        if scope["type"] != "http" or (self._only is None and scope["path"] in _OPEN):
            await self._app(scope, receive, send)
            return
        found = self._check(scope)
        if isinstance(found, Key):
            scope[_KEY] = found  # no copy: the router writes the route into the scope, which is counted
            await self._app(scope, receive, send)
            return
        status, code, message, headers = found
        # The rest of the request is not read, and must not be taken for the next one.
        answer = error_response(status, code, message, headers={**headers, "Connection": "close"})
        await answer(scope, receive, send)

    def _check(self, scope: Scope) -> Key | tuple[int, str, str, dict[str, str]]:
        """Return the key of a request, or status, code, message and headers of the refusal."""
        if _IN_ADDRESS.search(scope.get("query_string", b"")):
            message = (
                "A key does not belong into an address, which logs and histories keep. Send it as `Authorization: "
                "Bearer KEY`, and replace this one: `akin keys rotate NAME`."
            )
            return 400, "key_in_address", message, {}
        given = _given(scope)
        if isinstance(given, _Wrong):
            return 401, "key_required", f"{given.reason} {_NEXT}", {"WWW-Authenticate": _ROOT}
        key = self._ring.find(given)
        if self._ring.trouble is not None:
            message = "The service cannot read its keys; its log has the reason. Tell the operator."
            return 503, "keys_unavailable", message, {"Retry-After": "5"}
        if key is None:
            message = (
                "This key is not accepted: it was never made here, was revoked or replaced, or has expired. The "
                "operator makes another one with `akin keys create` or `akin keys rotate`."
            )
            return 401, "key_not_accepted", message, {"WWW-Authenticate": f'{_ROOT}, error="invalid_token"'}
        needed = self._only or _scope_of(scope["path"])
        if needed is not None and needed not in key.scopes:
            message = (
                f"The key {key.name} allows {' and '.join(key.scopes)}, and this request needs {needed}. The operator "
                f"makes a key for it with `akin keys create NAME --scopes {needed}`."
            )
            challenge = f'{_ROOT}, error="insufficient_scope", scope="{needed}"'
            return 403, "scope_required", message, {"WWW-Authenticate": challenge}
        return key


class _Wrong:
    """Headers without a key that could be looked for."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _given(scope: Scope) -> str | _Wrong:
    """Return the text of the key that a request has."""
    bearers, others, schemes = set(), set(), set()
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            others.add(value.decode("latin-1").strip())
        elif name == b"authorization":
            scheme, _, text = value.decode("latin-1").strip().partition(" ")
            if scheme.lower() == "bearer":
                bearers.add(text.strip())
            else:
                schemes.add(scheme)
    keys = bearers | others
    if len(keys) > 1:
        return _Wrong("The request has several keys: send one.")
    if not keys:
        # What a client sent as a scheme may be its key, and is not repeated.
        return _Wrong("The header Authorization does not start with Bearer." if schemes else "This request has no key.")
    text = keys.pop()
    if not text:
        return _Wrong("The key of this request is empty.")
    return text if len(text) <= _LONGEST_KEY else _Wrong(f"A key has at most {_LONGEST_KEY} characters.")


def _scope_of(path: str) -> str | None:
    """Return the scope that a path needs; None if any key will do."""
    if path in _EMBED:
        return "embed"
    return None if path == "/models" or path.startswith("/models/") else "search"


def key_of(scope: Scope) -> Key | None:
    """Return the key of a request; None where keys are turned off."""
    found: Key | None = scope.get(_KEY)
    return found


def inherited(scope: Scope) -> dict[str, object]:
    """Return what a request that is sent within another one has from it: its key, and its client's account."""
    return {name: scope[name] for name in (_KEY, CHARGE) if name in scope}


def check_effort(scope: Scope, wanted: object) -> None:
    """Check the `search_effort` of a request, if it has one, against the greatest that its key allows.

    Raises:
        EffortNotAllowed: It is greater.
    """
    asked, key = getattr(wanted, "search_effort", None), key_of(scope)
    if asked is not None and key is not None and key.nprobe is not None and asked > key.nprobe:
        raise EffortNotAllowed(
            f"search_effort (nprobe) is {asked}, and the key {key.name} allows at most {key.nprobe}. Send a lower one, "
            "leave it out for the index's own, or ask the operator for a key that allows more.",
            {"parameter": "search_effort", "limit": key.nprobe},
        )
