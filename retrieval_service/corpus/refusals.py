"""Record refused snapshots, so that each is opened again only after its files change or a pause ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

LONGEST_PAUSE = 300.0
"""Longest pause in seconds before an unchanged snapshot is opened again: the cause may be outside its files."""

Files = tuple[tuple[str, int, int, int], ...]


def file_states(directory: Path) -> Files:
    """Return path, size, time and inode of every file of a snapshot, to detect changes; empty if there are none."""
    found = []
    try:
        for path in sorted(directory.rglob("*")):
            state = path.stat()
            found.append((str(path.relative_to(directory)), state.st_size, state.st_mtime_ns, state.st_ino))
    except OSError:
        # A directory that cannot be listed differs from the same directory when it can be.
        found.append(("", 0, 0, 0))
    return tuple(found)


class RefusedSnapshots:
    """The snapshots that could not be opened: the state of their files, and the time of the next try of each."""

    def __init__(self, first_pause: float, clock: Callable[[], float] = monotonic) -> None:
        """Take the seconds of the first pause; each further pause is twice as long."""
        self._first = first_pause
        self._clock = clock
        self._refused: dict[str, tuple[Files, float, float]] = {}

    def is_refused(self, name: str, files: Files) -> bool:
        """Return True if a snapshot with exactly these files was refused and its pause is not over."""
        known, _, retry_at = self._refused.get(name, ((), 0.0, 0.0))
        return name in self._refused and known == files and self._clock() < retry_at

    def record(self, name: str, files: Files) -> None:
        """Record that a snapshot with these files was refused now."""
        known, pause, _ = self._refused.get(name, (None, 0.0, 0.0))
        pause = min(2 * pause, LONGEST_PAUSE) if known == files else self._first
        self._refused[name] = files, pause, self._clock() + pause

    def clear(self, name: str) -> None:
        """Forget the refusals of a snapshot."""
        self._refused.pop(name, None)
