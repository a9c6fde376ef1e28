"""Read and write the objects of a folder in a bucket, on a web server or on a disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from akin.errors import BucketError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("gs", "s3", "az", "https", "http", "file")
_BLOCK = 4 << 20
RETRIES = 6
"""Tries after the first: some seconds in all, as the server of tokens of a pod may need these to start."""
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_ROLES = {"read": "roles/storage.objectViewer", "write": "roles/storage.objectUser"}


class NothingThere(BucketError):
    """Object that does not exist, or whose bucket does not."""


class AlreadyThere(BucketError):
    """Object that exists, where a new one was to be made."""


class Place:
    """Folder of objects.

    Attributes:
        address: its address without a slash at the end, such as `gs://bucket/folder`.
    """

    def __init__(self, address: str) -> None:
        """Take an address; nothing is opened before the first call of another method.

        Raises:
            BucketError: It is no address of a folder.
        """
        self.address = address.rstrip("/")
        self.scheme, self.bucket = _check(self.address)

    @property
    def lists(self) -> bool:
        """True if it can list and take objects; a web server gives them by name only."""
        return self.scheme not in ("http", "https")

    @cached_property
    def _store(self) -> ObjectStore:
        return _open(self.address, self.scheme)

    def read(self, name: str, most: int = 64 << 20) -> bytes:
        """Return the content of a small object.

        Raises:
            NothingThere: There is no such object.
            BucketError: It cannot be read, or has more than `most` bytes.
        """
        parts, size = [], 0
        for part in self.stream(name):
            size += len(part)
            if size > most:
                raise BucketError(f"{self.address}/{name} has more than {most:,} bytes: it is not what it should be.")
            parts.append(part)
        return b"".join(parts)

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield the content of an object in parts.

        Raises:
            NothingThere: There is no such object.
            BucketError: It cannot be read, or the transfer broke off.
        """
        import obstore

        with self._errors("read", name):
            for part in obstore.get(self._store, name).stream(min_chunk_size=_BLOCK):
                yield bytes(part)

    def write(self, name: str, content: bytes, *, new: bool = False) -> None:
        """Write a small object in one step.

        Raises:
            AlreadyThere: `new` is true, and there is one.
            BucketError: It cannot be written.
        """
        import obstore

        with self._errors("write", name):
            obstore.put(self._store, name, content, mode="create" if new else "overwrite")

    def upload(self, name: str, path: Path) -> None:
        """Write a file of any size as an object.

        Raises:
            BucketError: It cannot be written.
            OSError: The file cannot be read.
        """
        import obstore

        with path.open("rb") as file, self._errors("write", name):
            obstore.put(self._store, name, file)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the names below a folder, relative to it, with their sizes; empty if there is no such folder.

        Raises:
            BucketError: They cannot be listed.
        """
        import obstore

        found = {}
        with self._errors("read", folder):
            try:
                for part in obstore.list(self._store, folder, chunk_size=1000):
                    found.update({each["path"].removeprefix(f"{folder}/"): each["size"] for each in part})
            except FileNotFoundError:
                return {}
        return found

    def delete(self, names: list[str]) -> None:
        """Delete objects; those that do not exist are left out.

        Raises:
            BucketError: One cannot be deleted.
        """
        import obstore

        for name in names:
            try:
                with self._errors("write", name):
                    obstore.delete(self._store, name)
            except NothingThere:
                continue

    @contextmanager
    def _errors(self, action: str, name: str) -> Iterator[None]:
        """Convert the errors of the library to one line that says what is missing."""
        from obstore import exceptions

        whole = f"{self.address}/{name}"
        try:
            yield
        except FileNotFoundError as error:
            there = f"the bucket {self.bucket}, or this object in it, does not exist" if self.bucket else "no such file"
            raise NothingThere(f"{whole} cannot be {_done(action)}: {there}.") from error
        except exceptions.AlreadyExistsError as error:
            raise AlreadyThere(f"{whole} exists already.") from error
        except exceptions.PermissionDeniedError as error:
            role = f" Grant it {_ROLES[action]} on the bucket {self.bucket}." if self.scheme == "gs" else ""
            reason = re.search(r"[\w.@-]+ does not have [\w.]+ access", str(error))
            raise BucketError(
                f"no permission to {action} {whole}{f' ({reason[0]})' if reason else ''}: the account of these "
                f"credentials lacks it.{role}"
            ) from error
        except exceptions.UnauthenticatedError as error:
            raise BucketError(f"{whole}: the credentials were refused: {_advice(self.scheme)}") from error
        except (exceptions.BaseError, ValueError) as error:
            raise BucketError(f"{whole} cannot be {_done(action)}: {self._reason(error)}") from error
        except OSError as error:
            raise BucketError(f"{whole} cannot be {_done(action)}: {error.strerror or _first(error)}.") from error

    def _reason(self, error: Exception) -> str:
        text = _first(error)
        if "NoSuchBucket" in str(error):
            return f"there is no bucket {self.bucket}."
        if re.search(r"metadata|oauth|token|credential", text, re.IGNORECASE):
            return f"no credentials could be used ({text}): {_advice(self.scheme)}"
        return f"{text}."


def _done(action: str) -> str:
    return {"read": "read", "write": "written"}[action]


def _first(error: Exception) -> str:
    """Return the first line of a message, without the library's notes on where it arose."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0].strip().rstrip(".")
    return re.sub(r"^Generic \w+ error: |(?<=/token)\?\S+", "", line)[:600]


def _advice(scheme: str) -> str:
    if scheme == "gs":
        return (
            "run `gcloud auth application-default login`, or give this machine's service account to the pod or "
            "the service (docs/cloud.md)."
        )
    return "set the credentials of this bucket in the environment."


def _check(address: str) -> tuple[str, str]:
    """Return the scheme and the bucket of an address; a folder on a disk has no bucket.

    Raises:
        BucketError: It is no address of a folder.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BucketError(f"{address!r} is no address: {error}.") from error
    if parts.scheme not in SCHEMES:
        raise BucketError(f"{address!r} is no address such as gs://bucket/folder; known are {', '.join(SCHEMES)}.")
    if parts.query or parts.fragment or parts.username or any(ord(sign) < 33 for sign in address):
        raise BucketError(
            f"{address!r} has more than a bucket and a folder: leave out ?, #, spaces and names of users."
        )
    if ".." in parts.path.split("/") or "//" in parts.path:
        raise BucketError(f"{address!r} has an empty part or .. in its folder: write the folder out.")
    if parts.scheme == "file":
        if host or not parts.path.startswith("/"):
            raise BucketError(f"{address!r}: a folder on this machine has three slashes, as in file:///data/bundles.")
        return "file", ""
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise BucketError(f"{address!r}: use https, as anyone on the way could change what http brings.")
    if parts.scheme in ("gs", "s3", "az"):
        if port is not None or not _BUCKET.fullmatch(parts.netloc):
            raise BucketError(
                f"{address!r}: {parts.netloc!r} is no name of a bucket: 3 to 222 lower-case letters, digits, dashes, "
                "dots and underscores, with a letter or digit at both ends."
            )
        return parts.scheme, parts.netloc
    if not host:
        raise BucketError(f"{address!r} has no host.")
    return parts.scheme, ""


def _open(address: str, scheme: str) -> ObjectStore:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise BucketError(f"{address}: the package obstore is not installed: pip install 'akin[buckets]'.") from error
    options: dict[str, Any] = {}
    if scheme == "file":
        if not Path(unquote(urlsplit(address).path)).is_dir():
            raise NothingThere(f"{address}: there is no such folder: make it before the first push.")
    else:
        patience = timedelta(minutes=2)
        options = {
            # The whole transfer of a large file has no limit; a connection that stalls has.
            "client_options": {
                "allow_http": True,  # only of this machine, as checked above
                "timeout": timedelta(hours=6),
                "read_timeout": timedelta(minutes=1),
                "connect_timeout": timedelta(seconds=10),
            },
            "retry_config": {"max_retries": RETRIES, "retry_timeout": patience},
        }
    try:
        return from_url(address, **options)
    except (BaseError, ValueError, OSError) as error:
        raise BucketError(f"{address} cannot be opened: {_first(error)}.") from error
