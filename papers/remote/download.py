"""A file from a URL or a public bucket: resumed where it broke off, checked, and there whole or not at all."""

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

from papers.errors import RemoteError
from papers.remote.http import Client, Notify, RetryPolicy
from papers.remote.partial import partial_file
from storage.durable import replace_file, sync

_BLOCK = 1 << 18
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Download:
    """A file that was fetched.

    Attributes:
        path: where it is.
        bytes: its size.
        sha256: its digest, which is also beside it, in `<name>.sha256`.
        resumed_at: bytes that were there from an earlier attempt.
    """

    path: Path
    bytes: int
    sha256: str
    resumed_at: int


class _Partial(msgspec.Struct):
    """What is known of a file of which a part is there."""

    url: str
    validator: str


def public_url(source: str) -> str:
    """The https address of a source: itself, or that of a public object in a bucket (`gs://`, `s3://`).

    Raises:
        RemoteError: it is no such address.
    """
    parts = urlsplit(source)
    if parts.scheme in ("http", "https") and parts.netloc:
        return source
    key = quote(parts.path.lstrip("/"), safe="/~")
    if parts.scheme == "gs" and parts.netloc and key:
        return f"https://storage.googleapis.com/{parts.netloc}/{key}"
    if parts.scheme == "s3" and parts.netloc and key:
        # A bucket's name with dots in it is in no certificate as a host's.
        if "." in parts.netloc:
            return f"https://s3.amazonaws.com/{parts.netloc}/{key}"
        return f"https://{parts.netloc}.s3.amazonaws.com/{key}"
    raise RemoteError(f"{source}: is no address of a file; give https://…, gs://bucket/key or s3://bucket/key.")


def download(
    source: str,
    folder: Path,
    *,
    sha256: str | None = None,
    policy: RetryPolicy | None = None,
    notify: Notify = lambda _: None,
    progress: Callable[[int, int | None], None] = lambda _, __: None,
) -> Download:
    """Fetches a file; what an interrupted attempt left is gone on with, if the file there is still the same.

    Args:
        source: an address, or a public object in a bucket.
        folder: where the file goes, under the address's last name.
        sha256: the digest it must have.
        policy: how the server is treated.
        notify: is told about failures that pass.
        progress: is told bytes so far and in all, where that is known.

    Raises:
        RemoteError: it cannot be fetched or written, another process is fetching it, or its digest is another; the
            message says which.
    """
    url = public_url(source)
    name = Path(urlsplit(url).path).name
    if not name or name.startswith("."):
        raise RemoteError(f"{source}: names no file.")
    with partial_file(folder / f".{name}.part") as file:
        return _Fetching(url, file, folder / name, policy or RetryPolicy(pause=0.0), notify, progress).run(sha256)


class _Fetching:
    def __init__(
        self,
        url: str,
        file: Any,
        target: Path,
        policy: RetryPolicy,
        notify: Notify,
        progress: Callable[[int, int | None], None],
    ) -> None:
        self.url = url
        self.file = file
        self.part = Path(file.name)
        self.state = self.part.with_suffix(".json")
        self.target = target
        self.client = Client(policy, notify)
        self.notify = notify
        self.progress = progress
        self.validator = self._known_validator()
        self.digest = hashlib.sha256()
        self.have = self.had = self._resume()

    def run(self, expected: str | None) -> Download:
        resumed_at = self.have
        while not self.client.retry(self.url, self._attempt, self._made_progress):
            pass
        found = self.digest.hexdigest()
        if expected is not None and found != expected.lower():
            self._forget()
            raise RemoteError(f"{self.url}: has SHA-256 {found}, expected {expected.lower()}; it was not kept.")
        self.file.flush()
        os.fsync(self.file.fileno())
        replace_file(self.target.with_name(f"{self.target.name}.sha256"), f"{found}  {self.target.name}\n".encode())
        self.part.rename(self.target)
        sync(self.target.parent)
        self.state.unlink(missing_ok=True)
        return Download(self.target, self.have, found, resumed_at)

    def _attempt(self) -> bool:
        """Send one request and append what comes; return True if the file is complete."""
        headers = {"Range": f"bytes={self.have}-", "If-Range": self.validator} if self.have else {}
        with self.client.get(self.url, headers, accept=416 if self.have else 200) as response:
            if response.status_code == 416:
                # The server has no byte beyond ours: the file is complete, or is now another, shorter one.
                sizes = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if sizes and sizes[2] == str(self.have):
                    return True
                self._restart()
                return False
            if self.have and not self._continues(response):
                self._restart()
            if not self.have:
                self._remember(response)
            length = response.headers.get("Content-Length", "")
            total = self.have + int(length) if length.isdigit() else None
            for block in response.iter_raw():
                self.file.write(block)
                self.digest.update(block)
                self.have += len(block)
                self.progress(self.have, total)
        self.file.flush()
        return True

    def _made_progress(self) -> bool:
        """Return True if bytes have come since the previous call."""
        before, self.had = self.had, self.have
        return self.have > before

    def _continues(self, response: httpx.Response) -> bool:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return response.status_code == 206 and found is not None and found[1] == str(self.have)

    def _known_validator(self) -> str:
        try:
            state = msgspec.json.decode(self.state.read_bytes(), type=_Partial)
        except (FileNotFoundError, msgspec.DecodeError):
            return ""
        return state.validator if state.url == self.url else ""

    def _resume(self) -> int:
        """Reads what an earlier attempt left; nothing when it cannot be told to be of the same file."""
        if not self.validator:
            self.file.truncate(0)
            return 0
        self.file.seek(0)
        while block := self.file.read(_BLOCK):
            self.digest.update(block)
        return int(self.file.tell())

    def _remember(self, response: httpx.Response) -> None:
        etag = response.headers.get("ETag", "")
        # A weak tag does not promise the same bytes.
        self.validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
        replace_file(self.state, msgspec.json.encode(_Partial(self.url, self.validator)))

    def _restart(self) -> None:
        self.notify("the file is another one than before: from the beginning")
        self.file.truncate(0)
        self.digest = hashlib.sha256()
        self.have = self.had = 0

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)
