"""Limits on what all connections of a process hold together, each of them within its own limit."""

from __future__ import annotations


class Total:
    """Sum of what connections hold of one thing.

    Attributes:
        most: The limit.
        held: The sum.
    """

    def __init__(self, most: int) -> None:
        """Begin with nothing."""
        self.most = most
        self.held = 0
        self._each: dict[object, int] = {}

    def record(self, connection: object, amount: int) -> bool:
        """Record what a connection holds now; return True if all hold more than the limit."""
        self.held += amount - self._each.pop(connection, 0)
        if amount:
            self._each[connection] = amount
        return self.held > self.most

    @property
    def first(self) -> object:
        """The connection whose amount was recorded before those of all others."""
        return next(iter(self._each))
