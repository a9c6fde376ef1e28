"""HTTP to the parts of the local stack: never through a proxy, which is meant for the outside world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


def client(**options: Any) -> httpx.Client:
    """Return an HTTP client that ignores `HTTP_PROXY`, `ALL_PROXY` and their like.

    Args:
        options: Passed on to `httpx.Client`.
    """
    return httpx.Client(trust_env=False, **options)


def get(url: str, *, timeout: float, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Return the answer to a GET.

    Args:
        url: The address, of a part of the local stack.
        timeout: Seconds to wait for each step of the exchange.
        headers: Sent beside the usual ones.

    Raises:
        httpx.HTTPError: Nothing answered in time.
    """
    return httpx.get(url, headers=headers, timeout=timeout, trust_env=False)


def post(url: str, body: object, *, timeout: float, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """Return the answer to a POST of JSON.

    Args:
        url: The address, of a part of the local stack.
        body: What is sent as JSON.
        timeout: Seconds to wait for each step of the exchange.
        headers: Sent beside the usual ones.

    Raises:
        httpx.HTTPError: Nothing answered in time.
    """
    return httpx.post(url, json=body, headers=headers, timeout=timeout, trust_env=False)
