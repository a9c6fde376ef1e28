"""The errors of the client, as one tree. The text of an answered error is the service's own.

AkinError
├── CannotConnect         there was no answer: no connection, or the timeout passed
└── AnswerError           the service answered with an error, or something else answered
    ├── BadRequest        the request is wrong (4xx)
    │   ├── NotAllowed    the service asks for a key, or the key does not allow the request (401, 403)
    │   ├── NotFound      there is no such paper, model or address (404)
    │   ├── CursorExpired the corpus was changed since the cursor was made (410)
    │   └── RateLimited   the client sends requests too fast (429)
    └── ServiceError      the service failed (5xx)
        └── Unavailable   the service cannot answer now; a later request may succeed (503)
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx


class AkinError(Exception):
    """Base class of all errors of the client."""


class CannotConnect(AkinError):
    """There was no answer: no connection, or the timeout passed."""


class AnswerError(AkinError):
    """The service answered with an error.

    Attributes:
        status: The HTTP status.
        code: The name of the error, for programs; "http_502" and the like for an answer that is not the service's.
        message: The service's text.
        detail: The facts of the text.
        retry_after: Seconds after which the service asks to be asked again; None if it does not.
    """

    def __init__(
        self, status: int, code: str, message: str, detail: dict[str, Any] | None, retry_after: float | None = None
    ) -> None:
        """Take the parts of the answer."""
        super().__init__(message)
        self.status, self.code, self.message, self.detail = status, code, message, detail
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.code, self.message, self.detail, self.retry_after)


class BadRequest(AnswerError):
    """The request is wrong, and repeating it will not help."""


class NotAllowed(BadRequest):
    """The service asks for a key, or the key does not allow the request."""


class NotFound(BadRequest):
    """There is no such paper, model or address."""


class CursorExpired(BadRequest):
    """The corpus was changed since the cursor was made; begin again without a cursor."""


class RateLimited(BadRequest):
    """The client sends requests too fast."""


class ServiceError(AnswerError):
    """The service failed."""


class Unavailable(ServiceError):
    """The service cannot answer now; a later request may succeed."""


_KINDS = {401: NotAllowed, 403: NotAllowed, 404: NotFound, 410: CursorExpired, 429: RateLimited, 503: Unavailable}


def error_of(response: httpx.Response) -> AnswerError:
    """Return the error of an answer that is not a success."""
    try:
        body = response.json()
    except ValueError:
        body = None
    return answered(response.status_code, body, shown(response.url), retry_after(response))


def answered(status: int, body: object, url: str = "", retry_after: float | None = None) -> AnswerError:
    """Return the error of a status and a body, which may be that of a proxy instead of the service."""
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    message = error.get("message") or f"The answer of {url} is {status}, and not one of the service's errors."
    kind = _KINDS.get(status, BadRequest if status < 500 else ServiceError)
    return kind(status, error.get("code") or f"http_{status}", message, error.get("detail"), retry_after)


def shown(url: httpx.URL) -> str:
    """Return an address without the password that it may have, as errors are logged."""
    return str(url.copy_with(userinfo=b""))


def retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of the header Retry-After, which a proxy may write as a date; None if there are none."""
    given = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        return None
    # A date without a zone is UTC.
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())
