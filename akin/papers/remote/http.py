"""HTTP client for repositories and file servers: one connection at a time, pauses between requests, retries."""

from __future__ import annotations

import contextlib
import email.utils
import ssl
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, TypeVar

import httpx
import tenacity

from akin.papers.errors import RemoteError

Notify = Callable[[str], None]
"""Function that receives one line of progress, such as a failure after which another attempt follows."""

_Result = TypeVar("_Result")
_HEADERS = {"User-Agent": "akin (paper search)", "Accept-Encoding": "identity"}
_MOST_REDIRECTS = 10
_LONGEST_WAIT = 900.0
_TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)


class BadAnswer(Exception):
    """Answer that arrived and cannot be used; another attempt may bring a usable one."""


_TRANSIENT_ERRORS = (httpx.HTTPStatusError, httpx.TransportError, httpx.DecodingError, BadAnswer)


@dataclass(frozen=True)
class RetryPolicy:
    """Pauses, time limit and number of attempts for the requests to one server.

    Attributes:
        pause: seconds between two requests; arXiv's terms of use require three.
        timeout: seconds without a byte after which a connection is closed.
        attempts: consecutive failures, with no data received between them, after which no further attempt is made.
        first_wait: seconds before the second attempt; the wait doubles with each further attempt.
    """

    pause: float = 3.0
    timeout: float = 60.0
    attempts: int = 6
    first_wait: float = 2.0

    def wait(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds before the next attempt: those of `Retry-After`, otherwise a doubling wait."""
        requested = _retry_after(_error(state))
        return self.first_wait * 2.0 ** (state.attempt_number - 1) if requested is None else requested

    def stop(self, state: tenacity.RetryCallState) -> bool:
        """Return True if no attempt follows: the failures are too many, or `Retry-After` is too long."""
        return state.attempt_number >= self.attempts or (_retry_after(_error(state)) or 0.0) > _LONGEST_WAIT


class Client:
    """Client that sends one request after another and repeats those that fail for a passing reason."""

    def __init__(self, policy: RetryPolicy, notify: Notify) -> None:
        """Prepare the client; no connection is open between two requests.

        Args:
            policy: pauses, time limit and number of attempts.
            notify: receives one line about each failure after which another attempt follows.
        """
        self._policy = policy
        self._notify = notify
        self._next = 0.0
        # The system's certificates, not those of the package certifi, which lack an organisation's own authority.
        self._tls = ssl.create_default_context()

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, accept: Container[int] = ()) -> Iterator[httpx.Response]:
        """Wait until the pause since the last request is over, send a request, and yield the response, body unread.

        Args:
            url: an http or https address.
            headers: headers of the request, in addition to the client's own.
            accept: statuses that are not treated as errors, in addition to those of success.

        Raises:
            RemoteError: the address cannot be used, or the status is a permanent error, which is the cause.
            httpx.HTTPError: the request failed for a reason that may pass: call this within `retry`.
        """
        if not url.startswith(("http://", "https://")):
            raise RemoteError(f"{url}: is not an http:// or https:// address.")
        time.sleep(max(0.0, self._next - time.monotonic()))
        with contextlib.ExitStack() as stack:
            try:
                client = stack.enter_context(self._new_connection())
                response = stack.enter_context(client.stream("GET", url, headers=headers))
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
                raise RemoteError(f"{url}: this address, or one it redirects to, cannot be used ({error}).") from error
            finally:
                self._next = time.monotonic() + self._policy.pause
            if response.status_code in _TRANSIENT_STATUSES:
                response.raise_for_status()
            if not response.is_success and response.status_code not in accept:
                raise_permanent(url, response)
            yield response

    def retry(
        self, url: str, attempt: Callable[[], _Result], made_progress: Callable[[], bool] = lambda: False
    ) -> _Result:
        """Return the result of the first attempt that succeeds.

        Args:
            url: the address that messages name.
            attempt: sends a request and reads the response.
            made_progress: returns True if the failed attempt received data; failures are then counted from one again.

        Raises:
            RemoteError: there were as many failures as the policy allows, or `Retry-After` is too long.
        """

        def restart_count(state: tenacity.RetryCallState) -> None:
            if made_progress():
                state.attempt_number = 1

        def announce(state: tenacity.RetryCallState) -> None:
            self._notify(f"{_describe(_error(state))}; next attempt in {state.upcoming_sleep:.0f} s")

        def give_up(state: tenacity.RetryCallState) -> _Result:
            error = _error(state)
            if state.attempt_number >= self._policy.attempts:
                end = f"; stopped after {state.attempt_number} attempts."
            else:
                end = f" and requires a wait of {state.upcoming_sleep:,.0f} s. Run the same command again after it."
            raise RemoteError(f"{url}: {_describe(error)}{end}") from error

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TRANSIENT_ERRORS),
            after=restart_count,
            wait=self._policy.wait,
            stop=self._policy.stop,
            before_sleep=announce,
            retry_error_callback=give_up,
        )
        return retrying(attempt)

    def _new_connection(self) -> httpx.Client:
        """Return a client for one request: it keeps no cookies and no idle connections, and follows redirects."""
        try:
            return httpx.Client(
                verify=self._tls,
                timeout=self._policy.timeout,
                limits=httpx.Limits(max_connections=1),
                follow_redirects=True,
                max_redirects=_MOST_REDIRECTS,
                headers=_HEADERS,
            )
        except (ImportError, ValueError) as error:
            settings = "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"
            raise RemoteError(f"the proxy that {settings} name cannot be used: {error}") from error


def raise_permanent(url: str, response: httpx.Response) -> NoReturn:
    """Raise a RemoteError for a status that is a permanent error; its cause is the library's error."""
    try:
        response.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise RemoteError(f"{url}: {_describe_status(response)}.") from error
    raise RemoteError(f"{url}: {_describe_status(response)}.")


def status_of(error: RemoteError) -> int | None:
    """Return the HTTP status that is the cause of an error; None for any other cause."""
    cause = error.__cause__
    return cause.response.status_code if isinstance(cause, httpx.HTTPStatusError) else None


def _error(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    assert error is not None, "only failed attempts are waited for and announced"
    return error


def _describe(error: BaseException) -> str:
    """Return the reason of a failed request, as a part of a message."""
    if isinstance(error, httpx.HTTPStatusError):
        return _describe_status(error.response)
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.WriteError)):
        return f"the server cannot be reached ({error})"
    if isinstance(error, httpx.TimeoutException):
        return "the server stopped sending"
    if isinstance(error, httpx.DecodingError):
        return f"the answer's compression is broken ({error})"
    if isinstance(error, httpx.TransportError):
        return f"the connection broke off ({error or type(error).__name__})"
    return str(error)


def _describe_status(response: httpx.Response) -> str:
    return f"the server answered {response.status_code} ({response.reason_phrase})"


def _retry_after(error: BaseException) -> float | None:
    """Return the wait in seconds from the header `Retry-After` (a number or a date); None without it."""
    value = error.response.headers.get("Retry-After", "") if isinstance(error, httpx.HTTPStatusError) else ""
    if value.strip().isdecimal():
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
