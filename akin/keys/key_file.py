"""Read and change the file of keys."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from akin.keys.key import Key, digest_of, new_secret
from akin.storage.durable import replace_file
from akin.storage.locks import hold_lock

MOST_KEYS = 5000
_MOST_BYTES = 4 << 20
_SECONDS_FOR_LOCK = 10.0


class KeysUnusable(Exception):
    """File of keys that cannot be read or changed; the message names it, the reason and the next step."""


class NoSuchKey(KeysUnusable):
    """No key has that name or id."""


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[Key, ...]
    version: int = 1


class KeyFile:
    """File of keys: JSON that only its user may write, replaced as a whole under a lock.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Take the file, which the first key makes, and a clock."""
        self.path = path
        self._now = now

    def read(self) -> tuple[Key, ...]:
        """Return the keys, those that have expired included.

        Raises:
            KeysUnusable: The file is missing, cannot be read, or may be written by other users.
        """
        try:
            # A pipe in place of the file would make `open` wait.
            with open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode):
                    raise KeysUnusable(f"{self.path} is no file of keys, but a folder or a device")
                if about.st_mode & 0o022:
                    raise KeysUnusable(f"other users may write {self.path}: take that away with chmod 600 {self.path}")
                content = file.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            raise KeysUnusable(f"there is no file of keys {self.path}: make a key with akin keys create NAME") from None
        except OSError as error:
            raise KeysUnusable(f"{self.path} cannot be read ({error.strerror}): check its rights") from None
        if len(content) > _MOST_BYTES:
            raise KeysUnusable(f"{self.path} is larger than {_MOST_BYTES} bytes: it is no file of keys")
        try:
            read = msgspec.json.decode(content, type=_Content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise KeysUnusable(f"{self.path} is damaged ({error}): restore it, or remove it for new keys") from None
        if read.version != 1:
            raise KeysUnusable(f"{self.path} has the form {read.version} of a later release: update akin")
        if len({key.id for key in read.keys}) != len(read.keys):
            raise KeysUnusable(f"{self.path} has an id twice: restore it, or remove it and make new keys")
        return read.keys

    def create(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        days: int | None = None,
        nprobe: int | None = None,
        rate: float | None = None,
        per_reader: bool = False,
    ) -> tuple[Key, str]:
        """Return a new key and its text, which nothing stores.

        Raises:
            KeysUnusable: The name is taken, or the file cannot be used.
            ValueError: A value is out of bounds.
        """
        now = self._now()
        key_id, text = new_secret()
        key = Key(
            id=key_id,
            name=name,
            digest=digest_of(text),
            scopes=tuple(dict.fromkeys(scopes)),
            created=now,
            expires=None if days is None else now + timedelta(days=days),
            nprobe=nprobe,
            rate=rate,
            per_reader=per_reader,
        )

        def add(keys: tuple[Key, ...]) -> Iterable[Key]:
            if any(each.name == name and not each.expired(now.timestamp()) for each in keys):
                raise KeysUnusable(f"there is a key {name} already: take another name, or akin keys rotate {name}")
            return (*keys, key)

        self._change(add, creates=True)
        return key, text

    def rotate(self, name: str, overlap: timedelta) -> tuple[Key, str]:
        """Return a new key in place of one, with its text; the former is accepted during the overlap.

        Raises:
            NoSuchKey: No key that is accepted has the name.
            KeysUnusable: The file is missing or cannot be used.
        """
        now = self._now()
        key_id, text = new_secret()
        made: list[Key] = []

        def replace(keys: tuple[Key, ...]) -> Iterable[Key]:
            valid = [key for key in keys if key.name == name and not key.expired(now.timestamp())]
            if not valid:
                raise NoSuchKey(f"there is no key {name} in {self.path}: akin keys list shows the names")
            newest = max(valid, key=lambda key: key.created)
            made.append(msgspec.structs.replace(newest, id=key_id, digest=digest_of(text), created=now))
            until = now + overlap
            ended = [
                msgspec.structs.replace(key, expires=until if key.expires is None else min(until, key.expires))
                if key in valid
                else key
                for key in keys
            ]
            return (*ended, made[0])

        self._change(replace)
        return made[0], text

    def revoke(self, name_or_id: str) -> list[Key]:
        """Remove the keys of a name, or the one of an id; return them.

        Raises:
            NoSuchKey: There is none.
            KeysUnusable: The file is missing or cannot be used.
        """
        removed: list[Key] = []

        def remove(keys: tuple[Key, ...]) -> Iterable[Key]:
            removed.extend(key for key in keys if name_or_id in (key.name, key.id))
            if not removed:
                raise NoSuchKey(f"there is no key {name_or_id[:80]} in {self.path}: akin keys list shows the names")
            return (key for key in keys if key not in removed)

        self._change(remove)
        return removed

    def _change(self, change: Callable[[tuple[Key, ...]], Iterable[Key]], *, creates: bool = False) -> None:
        if not creates and not self.path.exists():
            self.read()  # says that there is no file; neither it nor its folder is made
        busy = KeysUnusable(f"another command is changing {self.path}: repeat this one in a moment")
        try:
            with hold_lock(self.path.with_name(f"{self.path.name}.lock"), _SECONDS_FOR_LOCK, busy):
                before = self.read() if self.path.exists() else ()
                # Expired keys are of no use after a month, and would fill the file.
                forgotten = (self._now() - timedelta(days=30)).timestamp()
                after = tuple(key for key in change(before) if not key.expired(forgotten))
                if len(after) > MOST_KEYS:
                    raise KeysUnusable(f"{self.path} has {MOST_KEYS} keys already: revoke some first")
                content = msgspec.json.format(msgspec.json.encode(_Content(after)), indent=1)
                replace_file(self.path, content + b"\n", mode=0o600)
        except OSError as error:
            raise KeysUnusable(f"{self.path} cannot be written ({error.strerror}): check its folder's rights") from None
