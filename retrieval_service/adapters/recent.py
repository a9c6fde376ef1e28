"""The values that were used last, for several threads."""

from __future__ import annotations

from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """A few values by key. The one whose last use is longest ago makes room for a new one."""

    def __init__(self, most: int) -> None:
        """Keep nothing yet, and at most so many values later."""
        self._most = most
        self._values: dict[Key, Value] = {}  # in the order of use
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """Return the value of a key; None where none is kept."""
        with self._lock:
            if (value := self._values.pop(key, None)) is not None:
                self._values[key] = value
            return value

    def keep(self, key: Key, value: Value) -> None:
        """Keep a value for a key."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = value
            if len(self._values) > self._most:
                del self._values[next(iter(self._values))]
