"""Repeat requests that may succeed later. Every request only reads, so that repeating it does no harm."""

from __future__ import annotations

import random
from dataclasses import dataclass

import httpx

from akin_client.calls import Answer, Call
from akin_client.errors import AkinError, AnswerError, CannotConnect, error_of, shown

_LATER = frozenset({429, 502, 503, 504})
_TOO_SLOW = "deadline_exceeded"  # the answer took all of its time, and would only take as long again


@dataclass(frozen=True)
class Retries:
    """Rule for repetitions.

    Attributes:
        times: The most repetitions of a request.
        first: Seconds before the first repetition, if the service does not name them; each further pause is twice as
            long, and each is shortened by a random part, so that many clients do not return together.
        longest: The longest pause; where the service asks for a longer one, its error is raised instead.
    """

    times: int = 3
    first: float = 0.5
    longest: float = 30.0

    def pause(self, attempt: int, failure: AkinError) -> float | None:
        """Return the seconds before the next repetition; None if the failure is to be raised.

        Args:
            attempt: Number of repetitions so far.
            failure: The failure of the last one.
        """
        if attempt >= self.times:
            return None
        if isinstance(failure, AnswerError):
            if failure.status not in _LATER or failure.code == _TOO_SLOW:
                return None
            if failure.retry_after is not None:
                return failure.retry_after if failure.retry_after <= self.longest else None
        elif isinstance(failure.__cause__, httpx.ReadTimeout | httpx.WriteTimeout):
            return None  # it would only take as long again
        return float(min(self.longest, self.first * 2**attempt) * random.uniform(0.5, 1.0))


def failure_of(response: httpx.Response) -> AnswerError | None:
    """Return the error of an answer; None for a success."""
    return None if response.is_success else error_of(response)


def no_answer(error: httpx.HTTPError, url: httpx.URL) -> CannotConnect:
    """Return the error of a request without an answer, with its cause."""
    failure = CannotConnect(f"No answer from {shown(url)}: {error or type(error).__name__}")
    failure.__cause__ = error
    return failure


def read_answer(call: Call[Answer], response: httpx.Response) -> Answer:
    """Return what a success answers.

    Raises:
        AnswerError: It is no answer of the service, but for example a page of a proxy.
    """
    try:
        return call.read(response)
    except (ValueError, LookupError, TypeError):
        message = f"What answers at {shown(response.url)} is not Akin's service: check its address."
        raise AnswerError(response.status_code, "not_akin", message, None) from None
