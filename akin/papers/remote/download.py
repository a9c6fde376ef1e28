"""Download of a file from a URL or a public bucket, resumed after an interruption and renamed when it is complete."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from akin.papers.errors import RemoteError
from akin.papers.remote.http import Client, Notify, RetryPolicy
from akin.papers.remote.partial import partial_file
from akin.storage.durable import replace_file, sync

_SYNCED_EVERY = 64 << 20  # bytes, which a power cut may cost
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Download:
    """Fetched file.

    Attributes:
        path: the file's path.
        bytes: the file's size.
        sha256: the file's digest, which is also stored beside it, in `<name>.sha256`.
        resumed_at: the number of bytes that an earlier call had left.
    """

    path: Path
    bytes: int
    sha256: str
    resumed_at: int


class _Partial(msgspec.Struct):
    """Progress of a partly fetched file.

    Attributes:
        url: the source.
        validator: the tag or date by which the server identifies the version.
        bytes: the first bytes of the part, which are on the disk for certain.
    """

    url: str
    validator: str
    bytes: int = 0


def public_url(source: str) -> str:
    """Return a source's address: the source itself, or the https address of a bucket's object (`gs://`, `s3://`).

    Raises:
        RemoteError: the source is no address of these kinds.
    """
    parts = urlsplit(source)
    if parts.scheme in ("http", "https") and parts.netloc:
        return source
    key = quote(parts.path.lstrip("/"), safe="/~")
    if parts.scheme == "gs" and parts.netloc and key:
        return f"https://storage.googleapis.com/{parts.netloc}/{key}"
    if parts.scheme == "s3" and parts.netloc and key:
        # No certificate covers a host name that begins with a bucket's name with dots.
        if "." in parts.netloc:
            return f"https://s3.amazonaws.com/{parts.netloc}/{key}"
        return f"https://{parts.netloc}.s3.amazonaws.com/{key}"
    raise RemoteError(f"{source}: is not the address of a file; give https://…, gs://bucket/key or s3://bucket/key.")


def download(
    source: str,
    folder: Path,
    *,
    sha256: str | None = None,
    policy: RetryPolicy | None = None,
    notify: Notify = lambda _: None,
    progress: Callable[[int, int | None], None] = lambda _, __: None,
) -> Download:
    """Fetch a file; continue after the last byte of an interrupted call if the server's file is unchanged.

    Args:
        source: an address, or a public object in a bucket.
        folder: the folder for the file, which gets the last name in the address's path.
        sha256: the digest that the file must have.
        policy: pauses and attempts; None for no pauses.
        notify: receives a line about each failure after which another attempt follows.
        progress: receives the bytes so far and, if it is known, the total.

    Raises:
        RemoteError: the file cannot be fetched or written, another process is fetching it, or its digest is a different
            one; the message names the reason.
    """
    url = public_url(source)
    name = Path(urlsplit(url).path).name
    if not name or name.startswith("."):
        raise RemoteError(f"{source}: the address does not end with the name of a file.")
    with partial_file(folder / f".{name}.part") as file:
        client = Client(policy or RetryPolicy(pause=0.0), notify)
        return _Transfer(url, file, folder / name, client, notify, progress).run(sha256)


@dataclass
class _Transfer:
    """One call of `download`: the part, its digest so far, and the server's version of the file."""

    url: str
    file: Any
    target: Path
    client: Client
    notify: Notify
    progress: Callable[[int, int | None], None]

    def __post_init__(self) -> None:
        self.part = Path(self.file.name)
        self.state = self.part.with_suffix(".json")
        self.validator, self.synced = self._stored()
        self.digest = hashlib.sha256()
        self.have = self.had = self._resume()

    def run(self, expected: str | None) -> Download:
        resumed_at = self.have
        while not self.client.retry(self.url, self._attempt, self._made_progress):
            pass
        found = self.digest.hexdigest()
        if expected is not None and found != expected.lower():
            self.part.unlink(missing_ok=True)
            self.state.unlink(missing_ok=True)
            raise RemoteError(f"{self.url}: has SHA-256 {found}, expected {expected.lower()}; the file was deleted.")
        replace_file(self.target.with_name(f"{self.target.name}.sha256"), f"{found}  {self.target.name}\n".encode())
        self.part.rename(self.target)
        sync(self.target.parent)
        self.state.unlink(missing_ok=True)
        return Download(self.target, self.have, found, resumed_at)

    def _attempt(self) -> bool:
        """Send one request, append the received bytes, and return True if the file is complete."""
        headers = {"Range": f"bytes={self.have}-", "If-Range": self.validator} if self.have else {}
        with self.client.get(self.url, headers, accept=(416,) if self.have else ()) as response:
            if response.status_code == 416:
                # The server has no bytes after the part: the file is complete, or was replaced by a shorter one.
                sizes = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if sizes and sizes[2] == str(self.have):
                    return True
                self._restart()
                return False
            if self.have and not self._continues(response):
                self._restart()
            if not self.have:
                self._identify(response)
            length = response.headers.get("Content-Length", "")
            total = self.have + int(length) if length.isdigit() else None
            try:
                for block in response.iter_raw():
                    self.file.write(block)
                    self.digest.update(block)
                    self.have += len(block)
                    self.progress(self.have, total)
                    if self.have - self.synced >= _SYNCED_EVERY:
                        self._sync()
            finally:
                self._sync()
        return True

    def _made_progress(self) -> bool:
        """Return True if bytes were received since the previous call."""
        before, self.had = self.had, self.have
        return self.have > before

    def _continues(self, response: httpx.Response) -> bool:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return response.status_code == 206 and found is not None and found[1] == str(self.have)

    def _stored(self) -> tuple[str, int]:
        try:
            state = msgspec.json.decode(self.state.read_bytes(), type=_Partial)
        except (FileNotFoundError, msgspec.DecodeError):
            return "", 0
        return (state.validator, state.bytes) if state.url == self.url else ("", 0)

    def _resume(self) -> int:
        """Digest what an earlier call has synced and return its size; cut off the rest, which may be damaged."""
        size = os.fstat(self.file.fileno()).st_size
        self.synced = self.synced if self.validator and size >= self.synced else 0
        self.file.truncate(self.synced)
        self.file.seek(0)
        hashlib.file_digest(self.file, lambda: self.digest)
        return self.synced

    def _identify(self, response: httpx.Response) -> None:
        etag = response.headers.get("ETag", "")
        # A weak tag does not guarantee identical bytes.
        self.validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")

    def _sync(self) -> None:
        """Sync the part to the disk, and then say so in the state: the next call continues from there."""
        if self.have == self.synced:
            return
        try:
            self.file.flush()
        finally:  # a disk that is full has the beginning of what was written
            os.fsync(self.file.fileno())
            self.synced = os.fstat(self.file.fileno()).st_size
            self._record(self.synced)

    def _record(self, synced: int) -> None:
        replace_file(self.state, msgspec.json.encode(_Partial(self.url, self.validator, synced)))

    def _restart(self) -> None:
        self.notify("the file on the server has changed: starting again from the beginning")
        self._record(0)  # before the part that it describes is gone
        self.file.truncate(0)
        self.digest = hashlib.sha256()
        self.have = self.had = self.synced = 0
