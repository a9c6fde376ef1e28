"""Parse the list of other sites whose scripts may read the answers of the HTTP interface."""

from __future__ import annotations

import re

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?")


def parse_origins(text: str) -> tuple[str, ...]:
    """Return the origins of a list with commas.

    Raises:
        ValueError: One is not an origin, or does not stand for one site: `*` is any, `null` is any file or sandbox.
    """
    origins = tuple(origin.strip().lower() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if origin in {"*", "null"}:
            raise ValueError(
                f"{origin!r} would let any site read the answers; name each one, such as https://example.org"
            )
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} is not an origin; write scheme, host and port only, such as https://example.org"
            )
    return origins
