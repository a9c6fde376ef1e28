"""One polite HTTP client: one connection at a time, pauses between requests, patience with servers that ask for it."""

from __future__ import annotations

import email.utils
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from papers.errors import RemoteError

Say = Callable[[str], None]

_AGENT = "akin (paper search)"
_LONGEST_WAIT = 900.0
_MAY_PASS = (408, 429, 500, 502, 503, 504)
TRANSIENT = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
"""What the library raises when trying again makes sense, or the server answered with an error."""


@dataclass(frozen=True)
class RetryPolicy:
    """How a server is treated.

    Attributes:
        pause: seconds between two requests; arXiv's terms of use ask for three.
        timeout: seconds without a byte after which a connection is given up.
        attempts: failures in a row, nothing having come in between, after which all is given up.
        first_wait: seconds before the second attempt; they double with each.
    """

    pause: float = 3.0
    timeout: float = 60.0
    attempts: int = 6
    first_wait: float = 2.0


class Client:
    """Makes requests one after another, never sooner after each other than it should."""

    def __init__(self, policy: RetryPolicy) -> None:
        """Takes how to behave."""
        self.policy = policy
        self._next = 0.0

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """One request; the response is to be closed.

        Raises:
            RemoteError: the address is none that can be asked.
            OSError, http.client.HTTPException: as the library raises them; see `TRANSIENT`.
        """
        if not url.startswith(("http://", "https://")):
            raise RemoteError(f"{url}: only http:// and https:// addresses can be asked.")
        time.sleep(max(0.0, self._next - time.monotonic()))
        request = urllib.request.Request(url, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"})
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            return urllib.request.urlopen(request, timeout=self.policy.timeout)
        except ValueError as error:
            raise RemoteError(f"{url}: is no address ({error}).") from error
        finally:
            self._next = time.monotonic() + self.policy.pause


class Patience:
    """Decides after each failure whether to go on, and waits as long as the server asks."""

    def __init__(self, url: str, policy: RetryPolicy, say: Say) -> None:
        """Takes whose failures they are, how many may follow each other, and whom to tell."""
        self._url = url
        self._manners = policy
        self._say = say
        self._failures = 0

    def rewarded(self) -> None:
        """Something came: failures are counted anew."""
        self._failures = 0

    def after(self, error: Exception) -> None:
        """Waits before the next attempt.

        Raises:
            RemoteError: there will be none; the message says why.
        """
        words = in_words(error)
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            if error.code not in _MAY_PASS:
                raise RemoteError(f"{self._url}: {words}.") from error
        self._failures += 1
        if self._failures >= self._manners.attempts:
            raise RemoteError(f"{self._url}: {words}; given up after {self._failures} attempts.") from error
        wait = self._manners.first_wait * 2.0 ** (self._failures - 1)
        if (asked := _asked(error)) is not None:
            if asked > _LONGEST_WAIT:
                raise RemoteError(f"{self._url}: {words} and asks to come back in {asked:,.0f} s.") from error
            wait = asked
        self._say(f"{words}; again in {wait:.0f} s")
        time.sleep(wait)


def in_words(error: Exception) -> str:
    """What went wrong with a request, for a person."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} ({error.reason})"
    if isinstance(error, urllib.error.URLError):
        reason = error.reason
        words = reason.strerror or str(reason) if isinstance(reason, OSError) else str(reason)
        return f"the server cannot be reached ({words})"
    if isinstance(error, TimeoutError):
        return "the server stopped sending"
    if isinstance(error, (http.client.HTTPException, ConnectionError, ssl.SSLError)):
        return f"the connection broke off ({str(error) or type(error).__name__})"
    return str(error)


def _asked(error: Exception) -> float | None:
    """Seconds that the server asks to wait: `Retry-After`, as a number or a date."""
    value = error.headers.get("Retry-After") if isinstance(error, urllib.error.HTTPError) and error.headers else None
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
