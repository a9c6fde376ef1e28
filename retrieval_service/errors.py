"""What can go wrong, as one tree. Each text is written for a person and says the next step where there is one.

RetrievalError
├── ClientGone                nobody waits for the answer any more (499)
├── RequestError              the request is wrong: 400 unless said otherwise
│   ├── InvalidJson           the body is not JSON, or not an object
│   ├── WrongContentType      the body is of another type (415)
│   ├── BodyTooLarge          the body is longer than any valid request (413)
│   ├── BodyTooSlow           the body did not arrive in time (408)
│   ├── InvalidParameter      a parameter is missing, unknown, of the wrong type or out of bounds
│   │   ├── BlankQuery        nothing is asked
│   │   ├── QueryTooLong      more is asked than can be read
│   │   └── UnknownCategory   a category neither the corpus nor arXiv has
│   ├── UnknownPaper          the corpus has no such paper (404)
│   └── NotHere               what was asked for is answered at another port (404)
├── Unavailable               not now, perhaps later: 503 with Retry-After
│   ├── Overloaded            more is asked than can be answered
│   ├── DeadlineExceeded      the answer was not ready when its client stopped waiting
│   ├── NoSnapshot            there is nothing to search yet
│   ├── EncoderUnavailable    Triton is away, too slow, or has no such model
│   │   ├── EncoderBusy       Triton's queue is full
│   │   └── EncoderRefused    Triton did not accept this text
│   └── EncoderMismatch       the served encoder is not the one that made the snapshot's vectors
└── SnapshotError             a snapshot cannot be built, opened or used
    ├── SnapshotNotFound      there is none of that id
    ├── SnapshotInvalid       a file of it is missing, damaged or foreign; the message names it
    ├── SnapshotInUse         it is the live one, or somebody has it open, and it is not removed
    ├── SourceIncomplete      what is to replace the corpus holds, or may hold, too little of it
    ├── BuildInProgress       another build holds the data directory
    ├── EmbeddingsMissing     stored embeddings of its papers are not in the data directory
    └── NoPapers              the source holds not one usable paper
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self


class RetrievalError(Exception):
    """Anything this service raises on purpose.

    Attributes:
        code: the name programs know the error by.
        status: the HTTP status it is answered with.
        message: the text for a person.
        detail: more of it for a program.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str, detail: Mapping[str, object] | None = None) -> None:
        """Takes the text for a person and, optionally, JSON-ready detail for a program."""
        super().__init__(message)
        self.message = message
        self.detail = dict(detail) if detail else None

    def without_traceback(self) -> Self:
        """Return this error without the frames it was raised in, for keeping: they hold on to all that was at hand."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self

    def copy(self) -> Self:
        """Return a copy to raise: an error that is raised again and again grows by frames each time."""
        copy = type(self).__new__(type(self), *self.args)
        copy.__dict__.update(self.__dict__)
        return copy


class ClientGone(RetrievalError):
    """The client hung up before it was answered; the status is the one that proxies log for it."""

    code = "client_gone"
    status = 499

    def __init__(self) -> None:
        """Take nothing: the answer is for the log alone."""
        super().__init__("The client is gone.")


class RequestError(RetrievalError):
    """The request is wrong and will be tomorrow as well."""

    code = "bad_request"
    status = 400


class InvalidJson(RequestError):
    """The body is not JSON, or is JSON and not an object."""

    code = "invalid_json"


class WrongContentType(RequestError):
    """The body is not declared as JSON."""

    code = "unsupported_media_type"
    status = 415


class BodyTooLarge(RequestError):
    """The body is longer than any valid request can be."""

    code = "body_too_large"
    status = 413


class BodyTooSlow(RequestError):
    """The body did not arrive in time."""

    code = "body_timeout"
    status = 408


class InvalidParameter(RequestError):
    """A parameter is missing, unknown, of the wrong type or out of bounds."""

    code = "invalid_parameter"


class BlankQuery(InvalidParameter):
    """The query holds nothing but whitespace."""

    code = "blank_query"


class QueryTooLong(InvalidParameter):
    """The query is longer than the service reads."""

    code = "query_too_long"


class UnknownCategory(InvalidParameter):
    """A category is neither in the corpus nor in arXiv's taxonomy."""

    code = "unknown_category"


class UnknownPaper(RequestError):
    """The corpus has no paper of that id."""

    code = "unknown_paper"
    status = 404


class NotHere(RequestError):
    """The request is answered at another port."""

    code = "not_found"
    status = 404


class Unavailable(RetrievalError):
    """The service cannot answer this now and may in a moment.

    Attributes:
        retry_after: seconds after which asking again makes sense.
    """

    code = "unavailable"
    status = 503
    retry_after: ClassVar[int] = 2


class Overloaded(Unavailable):
    """More is asked than can be answered; what is refused was not begun."""

    code = "overloaded"
    retry_after = 1


class DeadlineExceeded(Unavailable):
    """The answer was not ready when its client, or the service, stopped waiting for it."""

    code = "deadline_exceeded"
    retry_after = 1

    def __init__(self, message: str = "The answer was not ready in time; ask again in a moment, or for less.") -> None:
        """Take the text for a person."""
        super().__init__(message)


class NoSnapshot(Unavailable):
    """There is nothing to search yet."""

    code = "no_snapshot"
    retry_after = 5


class EncoderUnavailable(Unavailable):
    """Triton does not answer, answers too late, or serves no such model."""

    code = "encoder_unavailable"


class EncoderBusy(EncoderUnavailable):
    """Triton refused because its queue is full."""

    code = "encoder_busy"
    retry_after = 1


class EncoderRefused(EncoderUnavailable):
    """Triton did not accept the text, or answered what the model's contract does not allow."""

    code = "encoder_refused"


class EncoderMismatch(Unavailable):
    """The served encoder is not the one whose vectors the snapshot holds."""

    code = "encoder_mismatch"
    retry_after = 10


class SnapshotError(RetrievalError):
    """A snapshot cannot be built, opened or used."""

    code = "snapshot_error"


class SnapshotNotFound(SnapshotError):
    """There is no snapshot of that id."""

    code = "snapshot_not_found"


class SnapshotInvalid(SnapshotError):
    """A file of a snapshot is missing, damaged or foreign.

    Attributes:
        path: the file.
    """

    code = "snapshot_invalid"

    def __init__(self, path: Path, reason: str) -> None:
        """Names the file before the reason."""
        super().__init__(f"{path}: {reason}", {"file": str(path), "reason": reason})
        self.path = path


class EmbeddingsMissing(SnapshotError):
    """Stored embeddings of a snapshot's papers are not in the data directory."""

    code = "embeddings_missing"


class SnapshotInUse(SnapshotError):
    """A snapshot cannot be removed, as it is the live one or somebody has it open."""

    code = "snapshot_in_use"


class SourceIncomplete(SnapshotError):
    """A source that is to be the whole corpus is not, or seems not to be."""

    code = "source_incomplete"


class BuildInProgress(SnapshotError):
    """Another build holds the data directory."""

    code = "build_in_progress"


class NoPapers(SnapshotError):
    """The source holds not one usable paper."""

    code = "no_papers"
