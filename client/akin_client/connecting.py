"""Options with which both clients connect."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PREFIX = "/v1"


def options_of(base_url: str, timeout: float, headers: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the options of httpx's client for the service at an address, with or without `/v1`."""
    address = base_url.rstrip("/")
    return {
        "base_url": address if address.endswith(_PREFIX) else address + _PREFIX,
        # A little more than the service has, so that its own answer comes first.
        "timeout": timeout + 1,
        "headers": {"user-agent": f"akin-client/{_version()}", "akin-timeout": f"{timeout:g}", **(headers or {})},
    }


def _version() -> str:
    try:
        return version("akin-client")
    except PackageNotFoundError:  # used from a clone
        return "0"
