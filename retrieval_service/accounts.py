"""Accounts of clients for the limit of rate: token buckets, in this process or shared by a fleet in Redis.

An account holds `burst` tokens at most and is filled with `rate` tokens a second. A request takes one if there is one,
and is refused otherwise. What a large request costs beyond that is known later, so that tokens may fall below zero.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal, Protocol

Kind = Literal["key", "address"]
_KEPT = 10_000


class Account(Protocol):
    """Account of a client, after a request has taken a token from it or was refused.

    Attributes:
        tokens: Tokens that are left.
        rate: Tokens that come back in a second.
    """

    tokens: float
    rate: float

    def charge(self, requests: int) -> None:
        """Take further tokens, for a request that does the work of several."""


@dataclass(slots=True)
class LocalAccount:
    """Account in this process; `at` is the moment until which it is filled."""

    tokens: float
    at: float
    rate: float

    def charge(self, requests: int) -> None:
        """Take further tokens."""
        self.tokens -= requests


class Accounts(Protocol):
    """Accounts of all clients."""

    @property
    def shared(self) -> bool:
        """Return True if a fleet has them together."""

    @property
    def trouble(self) -> str | None:
        """Return the reason why they are not shared although they should be; None if all is well."""

    async def take(self, kind: Kind, name: str, rate: float) -> tuple[bool, Account]:
        """Take a token of a client; return whether there was one, and the account."""

    async def close(self) -> None:
        """Finish what is on its way."""


class LocalAccounts:
    """Accounts in this process; of each kind, those that were used last are kept."""

    shared = False
    trouble = None

    def __init__(self, burst: int, clock: Callable[[], float] = monotonic) -> None:
        """Take the tokens of a full account, and a clock that never goes back."""
        self._burst = float(burst)
        self._clock = clock
        # Apart, so that many addresses do not make the service forget what a key has used.
        self.kept: dict[Kind, OrderedDict[str, LocalAccount]] = {"key": OrderedDict(), "address": OrderedDict()}

    async def take(self, kind: Kind, name: str, rate: float) -> tuple[bool, Account]:
        """Take a token of a client; return whether there was one, and the account."""
        accounts, now = self.kept[kind], self._clock()
        account = accounts.pop(name, None) or LocalAccount(self._burst, now, rate)
        accounts[name] = account
        if len(accounts) > _KEPT:
            accounts.popitem(last=False)
        account.tokens = min(self._burst, account.tokens + max(0.0, now - account.at) * rate)
        account.at, account.rate = now, rate
        allowed = account.tokens >= 1
        account.tokens -= allowed
        return allowed, account

    async def close(self) -> None:
        """Do nothing: all is done."""
