"""The pauses between the restarts of one part, and when it is given up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Restarts:
    """Counts the failures of one part.

    Attributes:
        first: Seconds before the first restart; each further one waits twice as long.
        longest: The longest such pause, in seconds.
        most: How many failures in a row end the attempts.
        quiet: Seconds that a part must have been ready for its earlier failures to be forgotten.
        failures: How many there were in a row.
    """

    first: float = 0.5
    longest: float = 16.0
    most: int = 8
    quiet: float = 30.0
    failures: int = 0

    def failed(self, ready: float) -> float | None:
        """Count a failure and return the pause before the next start, in seconds; None when the part is given up.

        Args:
            ready: How many seconds the part had been ready; 0 for a start that failed.
        """
        if ready >= self.quiet:
            self.failures = 0
        self.failures += 1
        if self.failures >= self.most:
            return None
        return min(self.longest, self.first * 2.0 ** (self.failures - 1))

    def forget(self) -> None:
        """Begin anew, as when a person asks for another try."""
        self.failures = 0
