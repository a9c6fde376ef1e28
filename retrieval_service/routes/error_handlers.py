"""Handlers that answer every error in the one shape."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from akin.edge import error_body
from retrieval_service.errors import BodyTooSlow, RequestError, RetrievalError, Unavailable
from retrieval_service.redaction import redact_detail, redact_message
from retrieval_service.routes.answers import json_response

_log = logging.getLogger(__name__)
_CODES = {404: "not_found", 405: "method_not_allowed"}


def error_response(
    status: int, code: str, message: str, detail: object = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer to an error."""
    return json_response(error_body(code, message, detail), status, dict(headers or {}))


async def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RetrievalError)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Unavailable) else {}
    if isinstance(error, BodyTooSlow):
        # The rest of the body would be read as the next request.
        headers["Connection"] = "close"
    return error_response(error.status, *describe(error), headers)


def describe(error: RetrievalError) -> tuple[str, str, Any]:
    """Return code, message and detail of an error as they are answered; log what they leave out."""
    message = redact_message(error)
    if message != error.message:
        _log_once(error.message)
    return error.code, message, error.detail if isinstance(error, RequestError) else redact_detail(error.detail)


@lru_cache(maxsize=64)
def _log_once(text: str) -> None:
    """Log the full text of an error that is answered without its details, once only: many clients may cause it."""
    _log.warning("Error answered without its paths and addresses: %s", text)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {
        404: "There is nothing at this address. GET /docs lists the addresses there are.",
        405: f"{request.method} is not possible at this address. GET /docs lists the methods there are.",
    }.get(error.status_code, str(error.detail))
    code = _CODES.get(error.status_code, f"http_{error.status_code}")
    return error_response(error.status_code, code, message, headers=error.headers)


async def _unexpected_error(request: Request, error: Exception) -> Response:
    # The server logs the trace; the answer shows no internals.
    return error_response(500, "internal", "Internal error of the service. Its log has the details.")


ERROR_HANDLERS: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    RetrievalError: _service_error,
    HTTPException: _http_error,
    Exception: _unexpected_error,
}
"""Handlers of a Starlette application, by the type of the error."""
