"""What can keep a load test from measuring.

LoadTestError
├── BadOption          an option has no sense
├── OutputUnwritable   the report has no place to go
├── TargetUnreachable        nobody answers, or somebody else does
├── NothingToSearch         the service has nothing to search
├── StackFailed        `akin` could not do what was asked of it
└── TooFewQueries      the papers do not give enough different queries
"""

from __future__ import annotations


class LoadTestError(Exception):
    """A load test cannot go on; the message says why and what to do."""


class BadOption(LoadTestError):
    """An option has no sense."""


class OutputUnwritable(LoadTestError):
    """The report has no place to go."""


class TargetUnreachable(LoadTestError):
    """Nobody answers at the service's address, or what answers is not the service."""


class NothingToSearch(LoadTestError):
    """The service has nothing to search."""


class StackFailed(LoadTestError):
    """A command of `akin` failed."""


class TooFewQueries(LoadTestError):
    """The papers do not give enough different queries for an honest measurement."""
