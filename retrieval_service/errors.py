"""The errors of the service, as one tree. Each message names the thing, the reason and, if there is one, the next step.

RetrievalError
├── ClientGone                the client closed its connection before it was answered (499)
├── RequestError              the request is wrong: 400 unless noted otherwise
│   ├── InvalidJson           the body is not JSON, or not an object
│   ├── WrongContentType      the body is not declared as JSON (415)
│   ├── BodyTooLarge          the body is longer than any valid request (413)
│   ├── BodyTooSlow           the body did not arrive in time (408)
│   ├── InvalidParameter      a parameter is missing, unknown, of the wrong type or out of bounds
│   │   ├── BlankQuery        the query has no words to search by
│   │   ├── InvalidQuery      a condition in the query cannot be met by any paper
│   │   ├── QueryTooLong      the query is longer than the service reads
│   │   └── UnknownCategory   a category is neither in the corpus nor in arXiv's taxonomy
│   ├── UnknownPaper          the corpus has no paper of that id (404)
│   ├── UnknownModel          no model of that name is served here (404)
│   ├── CursorExpired         the corpus was changed since a cursor was made (410)
│   ├── NoReranker            no reranker is served here (404)
│   ├── NoReferences          the corpus does not know which of its papers cite which
│   ├── FeedbackOff           the service keeps no feedback (404)
│   ├── UnknownSearch         the search that feedback is on is not known any more (404)
│   ├── NoMap                 the corpus has no map, or one that cannot be used (404)
│   ├── EffortNotAllowed      the key of the request allows a smaller search_effort only (403)
│   ├── OriginNotAllowed      a script of another site may not send the request (403)
│   └── NotHere               the request is answered at another port, or by a part that is not installed (404)
├── Unavailable               the request may succeed later: 503 with Retry-After
│   ├── Overloaded            the service has more requests than it can answer
│   ├── DeadlineExceeded      the answer was not ready at the deadline
│   ├── TooMuchFeedback       readers send more feedback than is stored (429)
│   ├── FeedbackUnavailable   feedback cannot be written
│   ├── NoSnapshot            no snapshot can be searched yet
│   ├── EncoderUnavailable    Triton cannot be reached, is too slow, or has no such model
│   │   ├── EncoderBusy       Triton's queue is full
│   │   └── EncoderRefused    Triton did not accept the text, or its answer is invalid
│   └── EncoderMismatch       the encoder that Triton serves did not make the snapshot's vectors
├── NoRoomForFeedback         feedback has reached its size limit, or the disk is full (507)
└── SnapshotError             a snapshot cannot be built, opened or used
    ├── SnapshotNotFound      no snapshot has that id
    ├── SnapshotInvalid       a file of the snapshot is missing, damaged or foreign; the message names it
    ├── SnapshotInUse         the snapshot is live or open in a process, and is not removed
    ├── SourceIncomplete      the source that is to replace the corpus has, or may have, too few of its papers
    ├── BuildInProgress       another build uses the data directory
    ├── EmbeddingsMissing     stored embeddings of its papers are not in the data directory
    ├── VectorStoreUnusable   Milvus cannot be reached, or has no whole collection of the snapshot's vectors
    └── NoPapers              the source has no usable paper
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self


class RetrievalError(Exception):
    """Base class of all errors that the service raises on purpose.

    Attributes:
        code: Identifies the error for programs.
        status: The HTTP status of the answer.
        message: The text for users.
        detail: The facts of the message for programs; None if there are none.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str, detail: Mapping[str, object] | None = None) -> None:
        """Take the text for users and, optionally, its facts as JSON values for programs."""
        super().__init__(message)
        self.message = message
        self.detail = dict(detail) if detail else None

    def without_traceback(self) -> Self:
        """Return this error without its frames, so that keeping it keeps none of their variables in memory."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self

    def copy(self) -> Self:
        """Return a copy to raise: an error that is raised repeatedly collects more frames each time."""
        copy = type(self).__new__(type(self), *self.args)
        copy.__dict__.update(self.__dict__)
        return copy


class ClientGone(RetrievalError):
    """The client closed its connection before it was answered; proxies log this with the same status."""

    code = "client_gone"
    status = 499

    def __init__(self) -> None:
        """Set the message, which only the log shows."""
        super().__init__("The client closed its connection before the answer was ready.")


class RequestError(RetrievalError):
    """The request is wrong, and repeating it will not help."""

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
    """The body is longer than any valid request."""

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
    """The query has no words to search by."""

    code = "blank_query"


class InvalidQuery(InvalidParameter):
    """A condition in the query cannot be met by any paper, or says nothing."""

    code = "invalid_query"


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


class UnknownModel(RequestError):
    """No model of that name is served here."""

    code = "model_not_found"
    status = 404


class CursorExpired(RequestError):
    """The corpus was changed since a cursor was made."""

    code = "cursor_expired"
    status = 410


class NoReranker(RequestError):
    """No reranker is served here."""

    code = "no_reranker"
    status = 404


class NoReferences(RequestError):
    """The corpus does not know which of its papers cite which."""

    code = "no_references"

    def __init__(self, asked: str, parameter: str) -> None:
        """Take what was asked for, and the parameter that did."""
        super().__init__(
            f"{asked} needs the references between the papers, and this corpus has none. Whoever runs the service "
            "imports them with: akin references import FILE",
            {"parameter": parameter},
        )


class FeedbackOff(RequestError):
    """The service keeps no feedback."""

    code = "feedback_off"
    status = 404


class UnknownSearch(RequestError):
    """The search that feedback is on is not known any more."""

    code = "unknown_search"
    status = 404


class NoMap(RequestError):
    """The corpus has no map, or one that cannot be used."""

    code = "no_map"
    status = 404


class EffortNotAllowed(RequestError):
    """The key of the request allows a smaller `search_effort` only."""

    code = "effort_not_allowed"
    status = 403


class OriginNotAllowed(RequestError):
    """A script of another site may not send the request."""

    code = "origin_not_allowed"
    status = 403


class NotHere(RequestError):
    """The request is answered at another port, or by a part that is not installed."""

    code = "not_found"
    status = 404


class Unavailable(RetrievalError):
    """The service cannot answer the request now; repeating it later may help.

    Attributes:
        retry_after: Seconds after which the client should repeat the request.
    """

    code = "unavailable"
    status = 503
    retry_after: ClassVar[int] = 2


class Overloaded(Unavailable):
    """The service has more requests than it can answer; work on a refused request has not begun."""

    code = "overloaded"
    retry_after = 1

    @classmethod
    def at_once(cls) -> Overloaded:
        """Return the error of a search for which there is no place to wait."""
        return cls("The service has more requests than it can answer; repeat the request in a moment.")


class DeadlineExceeded(Unavailable):
    """The answer was not ready at the deadline of the client or of the service."""

    code = "deadline_exceeded"
    retry_after = 1

    def __init__(self, message: str = "The answer was not ready in time; repeat the request in a moment.") -> None:
        """Take the text for users."""
        super().__init__(message)


class TooMuchFeedback(Unavailable):
    """Readers send more feedback than is stored."""

    code = "rate_limited"
    status = 429
    retry_after = 5


class FeedbackUnavailable(Unavailable):
    """Feedback cannot be written."""

    code = "feedback_unavailable"


class NoSnapshot(Unavailable):
    """No snapshot can be searched yet."""

    code = "no_snapshot"
    retry_after = 5


class EncoderUnavailable(Unavailable):
    """Triton cannot be reached, answers too late, or has no such model."""

    code = "encoder_unavailable"


class EncoderBusy(EncoderUnavailable):
    """Triton refused the text because its queue is full."""

    code = "encoder_busy"
    retry_after = 1


class EncoderRefused(EncoderUnavailable):
    """Triton did not accept the text, or its answer breaks the model's contract."""

    code = "encoder_refused"


class EncoderMismatch(Unavailable):
    """The encoder that Triton serves did not make the snapshot's vectors."""

    code = "encoder_mismatch"
    retry_after = 10


class NoRoomForFeedback(RetrievalError):
    """Feedback has reached its size limit, or the disk is full."""

    code = "feedback_full"
    status = 507


class SnapshotError(RetrievalError):
    """A snapshot cannot be built, opened or used."""

    code = "snapshot_error"


class SnapshotNotFound(SnapshotError):
    """No snapshot has that id."""

    code = "snapshot_not_found"


class SnapshotInvalid(SnapshotError):
    """A file of a snapshot is missing, damaged or foreign.

    Attributes:
        path: The file.
    """

    code = "snapshot_invalid"

    def __init__(self, path: Path, reason: str) -> None:
        """Take the file and the reason, which the message gives in this order."""
        super().__init__(f"{path}: {reason}", {"file": str(path), "reason": reason})
        self.path = path


class EmbeddingsMissing(SnapshotError):
    """Stored embeddings of a snapshot's papers are not in the data directory."""

    code = "embeddings_missing"


class SnapshotInUse(SnapshotError):
    """A snapshot is not removed, because it is live or open in a process."""

    code = "snapshot_in_use"


class SourceIncomplete(SnapshotError):
    """A source that is to replace the corpus has, or may have, too few of its papers."""

    code = "source_incomplete"


class BuildInProgress(SnapshotError):
    """Another build uses the data directory."""

    code = "build_in_progress"


class VectorStoreUnusable(SnapshotError):
    """Milvus cannot be reached, or has no whole collection of a snapshot's vectors."""

    code = "vector_store_unusable"


class NoPapers(SnapshotError):
    """The source has no usable paper."""

    code = "no_papers"
