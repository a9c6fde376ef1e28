"""Errors of load tests.

LoadTestError
├── BadOption          an option cannot be used
├── OutputUnwritable   the report cannot be written
├── TargetUnreachable  the service does not answer, or the answer is not the service's
├── NothingToSearch    the service has no snapshot that it can search
├── StackFailed        a command of `akin` failed
└── TooFewQueries      the papers do not give enough different queries
"""

from __future__ import annotations

from argparse import ArgumentTypeError


class LoadTestError(Exception):
    """A load test cannot continue; the message has the reason and the next step."""


class BadOption(LoadTestError, ArgumentTypeError):
    """An option cannot be used; argparse puts the name of the option before the message."""


class OutputUnwritable(LoadTestError):
    """The report cannot be written."""


class TargetUnreachable(LoadTestError):
    """The service does not answer, or the answer is not the service's."""


class NothingToSearch(LoadTestError):
    """The service has no snapshot that it can search."""


class StackFailed(LoadTestError):
    """A command of `akin` failed."""


class TooFewQueries(LoadTestError):
    """The papers do not give enough different queries for a fair measurement."""
