"""Define a key: its text, which only its client has, and its record, which the service has.

The text is `akin_ID_SECRET`: an id of 8 hexadecimal digits, which may be shown, and 256 random bits. Of the text only
the SHA-256 is stored. Slow hashes with salt protect passwords, which can be guessed; 256 random bits cannot, so that a
fast hash is as safe, and a request costs microseconds.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

SCOPES: Final = ("search", "embed", "admin")
"""What a key may allow: searching and reading papers; embedding and reranking texts; the operators' routes."""

_TEXT = re.compile(r"akin_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Record of a key.

    Attributes:
        id: Id, which is part of the text.
        name: Name of the client that has it; a key and the one that replaces it have the same.
        digest: SHA-256 of the text, in hexadecimal digits.
        scopes: What it allows.
        created: Moment at which it was made.
        expires: Moment from which it is not accepted; None for never.
        nprobe: Greatest `search_effort` of its requests; None for the service's bound.
        rate: Requests a second; None for the service's limit.
        per_reader: True if its requests count for the address that sends them, as the page's do, not for the key.
    """

    id: str
    name: str
    digest: str
    scopes: tuple[str, ...]
    created: datetime
    expires: datetime | None = None
    nprobe: int | None = None
    rate: float | None = None
    per_reader: bool = False

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One is none that the service could have written.
        """
        if not re.fullmatch("[0-9a-f]{8}", self.id) or not re.fullmatch("[0-9a-f]{64}", self.digest):
            raise ValueError(f"the id or the digest of the key {self.name[:64]!r} is none")
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name[:80]!r} is no name of a key: take up to 64 letters, digits, dots, hyphens and underscores"
            )
        if not self.scopes or (unknown := set(self.scopes).difference(SCOPES)):
            wrong = ", ".join(sorted(unknown)) if self.scopes else "none"
            raise ValueError(f"scopes are {', '.join(SCOPES)}, at least one of them, not {wrong}")
        if self.created.tzinfo is None or (self.expires is not None and self.expires.tzinfo is None):
            raise ValueError(f"a time of the key {self.name} has no zone")
        if self.nprobe is not None and not 1 <= self.nprobe <= 1024:
            raise ValueError("the greatest nprobe of a key is 1 to 1024")
        if self.rate is not None and not 0 < self.rate <= 100_000:
            raise ValueError("the rate of a key is more than 0 and at most 100000 requests a second")

    def expired(self, now: float) -> bool:
        """Return True if the key is not accepted any more at a moment, in seconds since 1970."""
        return self.expires is not None and now >= self.expires.timestamp()


def new_secret() -> tuple[str, str]:
    """Return the id and the text of a new key."""
    name = secrets.token_hex(4)
    return name, f"akin_{name}_{secrets.token_urlsafe(32)}"


def id_of(text: str) -> str | None:
    """Return the id in the text of a key; None if it is not one."""
    found = _TEXT.fullmatch(text)
    return found[1] if found else None


def digest_of(text: str) -> str:
    """Return the SHA-256 of the text of a key."""
    return sha256(text.encode()).hexdigest()
