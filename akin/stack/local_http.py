"""Send HTTP requests to the parts of the local stack, never through a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

_UNCOMPRESSED = {"Accept-Encoding": "identity"}  # compression costs more time than it saves on one machine


def client(**options: Any) -> httpx.Client:
    """Return an HTTP client that ignores `HTTP_PROXY`, `ALL_PROXY` and similar variables.

    Args:
        options: Passed on to `httpx.Client`.
    """
    return httpx.Client(trust_env=False, **options)


def get(url: str, *, timeout: float, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Return the answer to a GET.

    Args:
        url: The address of a part of the local stack.
        timeout: Seconds to wait for each step of the exchange.
        headers: Further headers.

    Raises:
        httpx.HTTPError: Nothing answered in time.
    """
    return httpx.get(url, headers={**_UNCOMPRESSED, **(headers or {})}, timeout=timeout, trust_env=False)


def post(url: str, body: object, *, timeout: float, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Return the answer to a POST of JSON.

    Args:
        url: The address of a part of the local stack.
        body: The data to send as JSON.
        timeout: Seconds to wait for each step of the exchange.
        headers: Further headers.

    Raises:
        httpx.HTTPError: Nothing answered in time.
    """
    return httpx.post(url, json=body, headers={**_UNCOMPRESSED, **(headers or {})}, timeout=timeout, trust_env=False)
