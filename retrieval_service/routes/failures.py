"""Errors at the edge: whatever goes wrong, the answer has one shape."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.errors import BodyTooSlow, ServiceError, Unavailable
from retrieval_service.routes.answers import json_response

_log = logging.getLogger(__name__)
_CODES = {404: "not_found", 405: "method_not_allowed"}


def answer_errors(app: FastAPI) -> None:
    """Has an application answer every error in the one shape."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)


def error_response(
    status: int,
    code: str,
    message: str,
    detail: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as it is answered."""
    body = {"error": {"code": code, "message": message, "detail": detail}}
    return json_response(body, status, dict(headers or {}))


async def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Unavailable) else {}
    if isinstance(error, BodyTooSlow):
        # What still comes of the body is no next request.
        headers["Connection"] = "close"
    return error_response(error.status, error.code, error.message, error.detail, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {
        404: "There is nothing at this address. GET /docs lists the addresses there are.",
        405: f"{request.method} is not possible at this address. GET /docs tells what is.",
    }.get(error.status_code, str(error.detail))
    code = _CODES.get(error.status_code, f"http_{error.status_code}")
    return error_response(error.status_code, code, message, headers=error.headers)


async def _bug(request: Request, error: Exception) -> Response:
    # The server below logs the trace; what went wrong inside is nobody's business outside.
    return error_response(500, "internal", "The service made a mistake; its log says more.")
