"""Define the errors of the command line. Each is printed as one line and has an exit code of its own.

AkinError              1
├── BadSetting         2   an environment variable has a value that cannot be used
├── NotSetUp           3   a part that `make setup` or `akin setup` provides is missing or cannot be made
├── EncoderError       4   the encoder registry: nothing exported, no such version, export failed
├── StackError         5   a port is taken, a process ended or did not get ready
├── PapersUnusable     6   papers cannot be fetched, read or indexed
├── SearchFailed       7   the running service refused the search or did not answer
├── SavedSearchesUnusable 8 saved searches cannot be read, or their report cannot be written
├── FeedbackUnusable   9   feedback of readers cannot be read, or there is none to export
├── CollectionUnusable 10  collected queries cannot be read, or are too few to compare
├── KeysError         11   the keys of the API cannot be read or changed
├── BucketError       12   a bundle of models, of a snapshot or of a run cannot be pushed or fetched
├── CloudError        13   Google Cloud refused, or a job or a deployment there failed
└── BackupError       14   a backup cannot be written, or one is damaged or does not fit this machine
"""

from __future__ import annotations


class AkinError(Exception):
    """Expected failure of a command, printed as one line."""

    exit_code = 1


class BadSetting(AkinError):
    """Environment variable with a value that cannot be used."""

    exit_code = 2


class NotSetUp(AkinError):
    """Missing part that `make setup` or `akin setup` provides."""

    exit_code = 3


class EncoderError(AkinError):
    """Failure of the encoder registry, or of Triton to load an encoder."""

    exit_code = 4


class StackError(AkinError):
    """Failure of the local stack or of one of its parts to start or stop."""

    exit_code = 5


class PapersUnusable(AkinError):
    """Papers that cannot be fetched, read or indexed."""

    exit_code = 6


class SearchFailed(AkinError):
    """Search that the running service refused or did not answer."""

    exit_code = 7


class SavedSearchesUnusable(AkinError):
    """Saved searches that cannot be read, or whose report cannot be written."""

    exit_code = 8


class FeedbackUnusable(AkinError):
    """Feedback of readers that cannot be read, written or exported."""

    exit_code = 9


class CollectionUnusable(AkinError):
    """Collected queries that cannot be read or written, or windows of queries that cannot be compared."""

    exit_code = 10


class KeysError(AkinError):
    """Keys of the API that cannot be read or changed."""

    exit_code = 11


class BucketError(AkinError):
    """Bundle of files that cannot be pushed to a bucket or fetched from it."""

    exit_code = 12


class CloudError(AkinError):
    """Refusal of Google Cloud, or a job or a deployment there that failed."""

    exit_code = 13


class BackupError(AkinError):
    """Backup that cannot be written, is damaged, or cannot be restored here."""

    exit_code = 14
