"""Options with which both clients connect."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PREFIX = "/v1"


def options_of(
    base_url: str, timeout: float, headers: Mapping[str, str] | None, api_key: str | None = None
) -> dict[str, Any]:
    """Return the options of httpx's client for the service at an address, with or without `/v1`.

    Raises:
        ValueError: The key cannot be sent.
    """
    # httpx would repeat a header that it cannot send in its error.
    if api_key and not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ValueError("api_key has a space, a line break or another sign that no key has")
    key = {"authorization": f"Bearer {api_key}"} if api_key else {}
    address = base_url.rstrip("/")
    return {
        "base_url": address if address.endswith(_PREFIX) else address + _PREFIX,
        # A little more than the service has, so that its own answer comes first.
        "timeout": timeout + 1,
        "headers": {
            "user-agent": f"akin-client/{_version()}",
            "akin-timeout": f"{timeout:g}",
            **key,
            **(headers or {}),
        },
    }


def _version() -> str:
    try:
        return version("akin-client")
    except PackageNotFoundError:  # used from a clone
        return "0"
