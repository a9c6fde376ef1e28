"""Define a finding: what was examined, how it is, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """Result of one examination.

    Attributes:
        check: What was examined, such as `memory`.
        state: `ok`; `warn` if searches work, but worse than they could; `fail` if something does not work.
        found: What there is.
        advice: The next step; empty if there is nothing to do.
    """

    check: str
    state: State
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """Return a finding without a fault."""
    return Finding(check, "ok", found)


def warn(check: str, found: str, advice: str) -> Finding:
    """Return a finding of something that works worse than it could."""
    return Finding(check, "warn", found, advice)


def fail(check: str, found: str, advice: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(check, "fail", found, advice)


def examine(check: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the findings of an examination, which an error of the system ends with a finding of its own."""
    try:
        yield from look()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        yield fail(check, f"{where}{error.strerror or error}", "correct that, or set AKIN_DATA to another folder")


def gigabytes(size: float) -> str:
    """Return a size as text, such as `1.5 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
