"""Folder of embeddings, on a disk or in a bucket: whole files are read, and written in one step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from akin.bundles.places import NothingThere, Place
from akin.storage.durable import make_folder, replace_file
from akin.storage.locks import hold_lock
from retrieval_service.errors import BuildInProgress, SnapshotError

_LARGEST = 4 << 30


class Folder(Protocol):
    """Files of a folder, each read and written as a whole."""

    @property
    def address(self) -> str:
        """Its path or address."""

    @property
    def lists(self) -> bool:
        """True if it can list its files; a web server gives them by name only."""

    def sizes(self) -> dict[str, int]:
        """Return the names of its files, sorted, with their sizes; those that start with a dot are left out."""

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is no such file."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file in one step: afterwards it is whole on the disk, or unchanged."""

    def delete(self, names: list[str]) -> None:
        """Delete files; those that do not exist are left out."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keep another process of this machine from writing here at the same time."""


def open_folder(address: str) -> Folder:
    """Return the folder at a path, or at an address such as `s3://bucket/folder`.

    Raises:
        BucketError: The address is no address of a folder.
    """
    return _InBucket(address) if "://" in address else _OnDisk(Path(address).expanduser())


class _OnDisk:
    lists = True

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._path = path

    def sizes(self) -> dict[str, int]:
        if not self._path.is_dir():
            return {}
        files = sorted(each for each in self._path.iterdir() if each.is_file() and not each.name.startswith("."))
        return {each.name: each.stat().st_size for each in files}

    def read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        with self._refusals():
            make_folder(self._path)
            replace_file(self._path / name, content)

    def delete(self, names: list[str]) -> None:
        with self._refusals():
            for name in names:
                (self._path / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise SnapshotError(
                f"cannot write {error.filename or self._path}: {reason}. Name another folder."
            ) from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        busy = BuildInProgress(f"{self.address}: another process is writing embeddings here: wait for it, or stop it.")
        lock = self._path / ".lock"
        made = not self._path.exists()
        with contextlib.ExitStack() as held:
            with self._refusals():
                held.enter_context(hold_lock(lock, 0.0, busy))
                # A process that was killed may have left a file without its name.
                for left in self._path.glob(".*.parquet.*"):
                    left.unlink(missing_ok=True)
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    if made and list(self._path.iterdir()) == [lock]:  # a failure left nothing
                        lock.unlink()
                        self._path.rmdir()


class _InBucket:
    def __init__(self, address: str) -> None:
        self._place = Place(address)
        self.address = self._place.address
        self.lists = self._place.lists

    def sizes(self) -> dict[str, int]:
        found = {name.lstrip("/"): size for name, size in self._place.sizes("").items()}
        return {name: found[name] for name in sorted(found) if "/" not in name and not name.startswith(".")}

    def read(self, name: str) -> bytes | None:
        try:
            return self._place.read(name, _LARGEST)
        except NothingThere:
            return None

    def write(self, name: str, content: bytes) -> None:
        self._place.write(name, content)

    def delete(self, names: list[str]) -> None:
        self._place.delete(names)

    def lock(self) -> contextlib.AbstractContextManager[None]:
        # Files are written whole and their content depends on the source alone: two writers write the same.
        return contextlib.nullcontext()
