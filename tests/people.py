"""Make authors from their names, for tests."""

from __future__ import annotations

from akin.papers import Author, parse_author


def people(*names: str) -> tuple[Author, ...]:
    """Return the authors with these names."""
    return tuple(map(parse_author, names))
