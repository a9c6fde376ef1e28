"""What the command line can fail with; each is told to the user in one line, with an exit code of its own.

AkinError              1
├── BadSetting         2   an environment variable that cannot be used
├── NotSetUp           3   a part that `make setup` provides is missing
├── EncoderError       4   the encoder registry: nothing exported, no such version, export failed
├── StackError         5   a port is taken, a process died or did not get ready
├── PapersUnusable        6   a file of papers that cannot be read or indexed
└── SearchFailed       7   the running service refused or did not answer
"""

from __future__ import annotations


class AkinError(Exception):
    """Anything the command line reports in one line."""

    exit_code = 1


class BadSetting(AkinError):
    """An environment variable has a value that cannot be used."""

    exit_code = 2


class NotSetUp(AkinError):
    """A part that `make setup` provides is missing."""

    exit_code = 3


class EncoderError(AkinError):
    """The encoder registry cannot do what was asked."""

    exit_code = 4


class StackError(AkinError):
    """The local stack cannot start, or a part of it died."""

    exit_code = 5


class PapersUnusable(AkinError):
    """Papers that cannot be read or indexed."""

    exit_code = 6


class SearchFailed(AkinError):
    """The running service refused, or did not answer."""

    exit_code = 7
