"""Choose the pause before each restart of a part, and when to give it up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class RestartPolicy:
    """Restart policy of one part, with its count of failures.

    Attributes:
        first: Seconds before the first restart; each further pause is twice as long.
        longest: The longest pause, in seconds.
        most: The number of failures in a row after which the part is given up.
        quiet: Seconds of being ready after which earlier failures are forgotten.
        failures: The number of failures in a row.
    """

    first: float = 0.5
    longest: float = 16.0
    most: int = 8
    quiet: float = 30.0
    failures: int = 0

    def count_failure(self, ready: float) -> float | None:
        """Count a failure and return the pause before the next start, in seconds; None if the part is given up.

        Args:
            ready: Seconds for which the part had been ready; 0 for a start that failed.
        """
        if ready >= self.quiet:
            self.failures = 0
        self.failures += 1
        if self.failures >= self.most:
            return None
        return min(self.longest, self.first * 2.0 ** (self.failures - 1))

    def forget(self) -> None:
        """Forget all failures."""
        self.failures = 0
