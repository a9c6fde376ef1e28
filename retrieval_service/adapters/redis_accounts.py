"""Accounts of clients in Redis, which the machines of a fleet share; without Redis, each has its own.

A request runs one script in Redis, which is atomic there. Its clock is that of Redis, so that clocks of machines do not
matter. Names of clients are stored as digests, and an account that would be full is deleted by Redis.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from time import monotonic
from typing import Any, Protocol

from retrieval_service.accounts import Account, Accounts, Kind

_log = logging.getLogger(__name__)
_PAUSE = 1.0  # seconds between two tries while Redis fails
_CONNECTIONS = 64
_MOST_CHARGES = 1_000  # that are on their way at once

TAKE = """\
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local rate, burst, asked, least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local tokens, at = tonumber(kept[1]) or burst, tonumber(kept[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local allowed = tokens >= least
if allowed then tokens = tokens - asked end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
local full = math.min(1e10, math.ceil((burst - tokens) / rate * 1000) + 1000)
redis.call('PEXPIRE', KEYS[1], string.format('%d', full))
return {allowed and 1 or 0, string.format('%.6f', tokens)}
"""
_NEVER_REFUSED = "-1e308"

Ask = Callable[[str, list[str]], Awaitable[Any]]
"""Runs the script with a key and its arguments."""


class RedisNotInstalled(Exception):
    """Missing package of Redis's client."""


class LimitObserver(Protocol):
    """Records where accounts are."""

    def record_shared_limits(self, shared: bool) -> None:
        """Record that a request was counted in Redis, or that Redis failed."""


@dataclass(slots=True)
class SharedAccount:
    """Account in Redis, as it was after this request."""

    tokens: float
    rate: float
    more: Callable[[int], None]

    def charge(self, requests: int) -> None:
        """Take further tokens, without a wait."""
        self.tokens -= requests
        self.more(requests)


class SharedAccounts:
    """Accounts in Redis.

    No request fails, or waits longer than a moment, because Redis does: then the accounts of this process count, and
    Redis is tried again by one request a second.

    Attributes:
        trouble: The reason why Redis is not used; None if it is.
    """

    shared = True

    def __init__(
        self,
        url: str,
        burst: int,
        local: Accounts,
        observer: LimitObserver,
        *,
        seconds: float = 0.1,
        clock: Callable[[], float] = monotonic,
        ask: Ask | None = None,
    ) -> None:
        """Take where Redis is; it is connected with the first request.

        Args:
            url: `redis://host:6379/0`, `rediss://` with TLS, or `unix://`, with a password if it needs one.
            burst: Tokens of a full account.
            local: Accounts that count while Redis fails.
            observer: Records whether Redis is used.
            seconds: The longest wait for Redis.
            clock: Returns seconds, for the pauses between tries.
            ask: Runs the script; that of a client of `url` if None.

        Raises:
            RedisNotInstalled: The package is missing.
        """
        self._url = url
        self._burst = burst
        self._local = local
        self._observer = observer
        self._seconds = seconds
        self._clock = clock
        self._given = ask
        self._errors: tuple[type[Exception], ...] = (OSError, ValueError, TypeError)
        if ask is None:
            try:
                from redis.exceptions import RedisError
            except ImportError as error:
                raise RedisNotInstalled("the package redis is not installed: pip install 'akin[scale]'") from error
            self._errors = (*self._errors, RedisError)
        self._charges: set[asyncio.Task[None]] = set()
        self._try_at = 0.0
        self.trouble: str | None = None

    async def take(self, kind: Kind, name: str, rate: float) -> tuple[bool, Account]:
        """Take a token of a client; return whether there was one, and the account."""
        if self.trouble is not None:
            if self._clock() < self._try_at:
                return await self._local.take(kind, name, rate)
            # Others do not wait for this try.
            self._try_at = self._clock() + _PAUSE
        key = f"akin:rate:{kind}:{blake2b(name.encode('utf-8', 'replace'), digest_size=12).hexdigest()}"
        found = await self._run(key, rate, 1, "1")
        if found is None:
            return await self._local.take(kind, name, rate)
        allowed, tokens = found
        return allowed, SharedAccount(tokens, rate, lambda requests: self._charge(key, rate, requests))

    async def close(self) -> None:
        """Finish what is on its way, and close the connections."""
        if self._charges:
            await asyncio.wait(self._charges, timeout=2 * self._seconds)
        if "_client" in self.__dict__:
            await self._client.aclose()

    async def _run(self, key: str, rate: float, asked: int, least: str) -> tuple[bool, float] | None:
        """Run the script and return whether tokens were taken, and those that are left; None if Redis fails."""
        try:
            async with asyncio.timeout(self._seconds):
                allowed, tokens = await self._ask(key, [repr(rate), str(self._burst), str(asked), least])
            found = bool(int(allowed)), float(tokens)
        except TimeoutError:
            self._record(f"it did not answer within {self._seconds:g} s")
            return None
        except self._errors as error:
            self._record(str(error).strip().rstrip(".") or type(error).__name__)
            return None
        if self.trouble is not None:
            _log.warning("Redis counts requests again, for all machines together.")
        self.trouble = None
        self._observer.record_shared_limits(True)
        return found

    def _charge(self, key: str, rate: float, requests: int) -> None:
        if len(self._charges) < _MOST_CHARGES:
            task = asyncio.create_task(self._take_more(key, rate, requests))
            self._charges.add(task)
            task.add_done_callback(self._charges.discard)

    async def _take_more(self, key: str, rate: float, requests: int) -> None:
        await self._run(key, rate, requests, _NEVER_REFUSED)

    def _record(self, reason: str) -> None:
        if self.trouble is None:
            _log.warning(
                "Redis does not count requests (%s); each machine counts its own until it does. Check the server that "
                "AKIN_RATE_REDIS names.",
                reason,
            )
        self.trouble = reason
        self._try_at = self._clock() + _PAUSE
        self._observer.record_shared_limits(False)

    @cached_property
    def _client(self) -> Any:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError

        pool = BlockingConnectionPool.from_url(
            self._url,
            max_connections=_CONNECTIONS,
            timeout=self._seconds,
            socket_timeout=self._seconds,
            socket_connect_timeout=self._seconds,
            # One repetition: a connection that Redis closed when it was restarted is found only when it is used.
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        )
        return Redis.from_pool(pool)

    @cached_property
    def _ask(self) -> Ask:
        if self._given is not None:
            return self._given
        script = self._client.register_script(TAKE)
        return lambda key, arguments: script(keys=[key], args=arguments)
