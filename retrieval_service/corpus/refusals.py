"""Remembering which snapshot was refused, so that it is opened again only when the verdict may be another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

LONGEST_PAUSE = 300.0
"""Seconds after which a snapshot that did not change is tried again at the latest: something else may have failed."""

Files = tuple[tuple[str, int, int, int], ...]


def file_states(directory: Path) -> Files:
    """Return what tells a snapshot's files from changed ones: paths, sizes, times and numbers; empty where none are."""
    found = []
    try:
        for path in sorted(directory.rglob("*")):
            state = path.stat()
            found.append((str(path.relative_to(directory)), state.st_size, state.st_mtime_ns, state.st_ino))
    except OSError:
        # What cannot be listed now is another state than what can be.
        found.append(("", 0, 0, 0))
    return tuple(found)


class Refusals:
    """The last snapshot that could not be opened, as its files were, and when to try it again."""

    def __init__(self, first_pause: float, clock: Callable[[], float] = monotonic) -> None:
        """Take the seconds of the first pause; each further one is twice as long."""
        self._first = self._pause = first_pause
        self._clock = clock
        self._what: tuple[str, Files] | None = None
        self._again_at = 0.0

    def holds(self, name: str, files: Files) -> bool:
        """Return True if a snapshot with these very files was refused and is not to be tried again yet."""
        return self._what == (name, files) and self._clock() < self._again_at

    def note(self, name: str, files: Files) -> None:
        """Remember that a snapshot with these files was refused just now."""
        again = self._what == (name, files)
        self._pause = min(2 * self._pause, LONGEST_PAUSE) if again else self._first
        self._what = (name, files)
        self._again_at = self._clock() + self._pause

    def clear(self) -> None:
        """Forget it."""
        self._what = None
