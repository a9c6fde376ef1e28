"""Write a backup beside its final name, sync it, and rename it: it is complete or absent."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import IO, Protocol

from akin.backup.content import Source, Wanted, sources
from akin.backup.manifest import DIGEST, MANIFEST, BackupManifest, FileRecord, encode, require_name
from akin.errors import BackupError
from akin.stack_settings import Settings
from akin.storage.durable import sync, sync_folder
from akin.storage.locks import hold_lock
from retrieval_service.errors import RetrievalError

_BLOCK = 4 << 20
_RESERVE = 1.01
"""Share of the files' size that a TAR file takes with its headers."""
_COMPRESSED = (".7z", ".bz2", ".gz", ".rar", ".tgz", ".txz", ".xz", ".zip", ".zst")
"""Ends of names that ask for another kind of file than a backup is."""


class _Reader:
    """File whose reads are hashed, and end after a number of bytes."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self.left, self.digest = file, size, sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(block)
        self.digest.update(block)
        return block


class _Sink(Protocol):
    def add(self, name: str, file: _Reader, size: int, mode: int) -> None: ...

    def close(self) -> None: ...


class _Tar:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._tar = tarfile.TarFile(path, "w", format=tarfile.PAX_FORMAT)

    def add(self, name: str, file: _Reader, size: int, mode: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, mode
        self._tar.addfile(member, file)

    def close(self) -> None:
        self._tar.close()
        sync(self._path)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir()

    def add(self, name: str, file: _Reader, size: int, mode: int) -> None:
        target = self._path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as made:
            while block := file.read(_BLOCK):
                made.write(block)
        target.chmod(mode)

    def close(self) -> None:
        sync_folder(self._path)


def back_up(
    settings: Settings, to: Path, wanted: Wanted, progress: Callable[[int, int], None] = lambda *_: None
) -> BackupManifest:
    """Write a backup to a new file, if its name ends with `.tar`, or to a new folder; return its manifest.

    Args:
        settings: Where data and models are.
        to: The file or folder.
        wanted: What is copied.
        progress: Called with the bytes that are copied, and all bytes.

    Raises:
        BackupError: It exists already, cannot be written, or a file that is copied is damaged; nothing is left behind.
    """
    if "://" in str(to) or str(to).startswith(("gs:/", "s3:/")):
        raise BackupError(f"{to}: give a file or a folder of this machine, and copy that; or see akin push.")
    if to.suffix.lower() in _COMPRESSED:
        raise BackupError(f"{to}: a backup is a folder or a file .tar, without compression: choose such a name.")
    if not settings.data.is_dir():
        raise BackupError(f"there is no data folder {settings.data}: set AKIN_DATA to the one to back up.")
    if os.path.lexists(to):
        raise BackupError(f"{to} exists already: give a new name, such as one with the day.")
    aside, scratch, lock = (to.with_name(f".{to.name}.{kind}") for kind in ("part", "scratch", "lock"))
    busy = BackupError(f"another command is writing {to}: wait for it, or give another name.")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with hold_lock(lock, 0.0, busy), ExitStack() as kept:
            kept.callback(lock.unlink, missing_ok=True)
            for each in (aside, scratch):
                _remove(each)  # of a command that was killed
                kept.callback(_remove, each)
            scratch.mkdir(mode=0o700)
            live, found = sources(settings, wanted, kept, scratch)
            manifest = _write(aside, live, found, progress, folder=to.suffix != ".tar")
            os.rename(aside, to)
            sync(to.parent)
            return manifest
    except OSError as error:
        # It may be a file that is copied, too.
        at = "" if error.filename in (None, str(to)) else f"{error.filename}: "
        raise BackupError(
            f"cannot write {to}: {at}{error.strerror or error}; nothing is left of it. Correct this, or name another "
            "place."
        ) from error
    except RetrievalError as error:
        raise BackupError(str(error)) from error


def _write(
    aside: Path, live: str | None, found: list[Source], progress: Callable[[int, int], None], *, folder: bool
) -> BackupManifest:
    sizes = {each.name: each.path.stat().st_size if each.bytes is None else each.bytes for each in found}
    total, free = sum(sizes.values()), shutil.disk_usage(aside.parent).free
    if total * _RESERVE > free:
        raise BackupError(f"{aside.parent} has {free:,} bytes free, and the backup needs {total:,}: use another disk.")
    sink: _Sink = _Folder(aside) if folder else _Tar(aside)
    files: dict[str, FileRecord] = {}
    done = 0
    try:
        if live is not None:
            files["snapshots/CURRENT"] = _add(sink, "snapshots/CURRENT", BytesIO(f"{live}\n".encode()), len(live) + 1)
        for each in found:
            require_name(each.name)
            try:
                file = each.path.open("rb")
            except FileNotFoundError:
                if each.vanishes:
                    continue
                raise
            with file:
                mode = os.fstat(file.fileno()).st_mode & 0o755
                record = _add(sink, each.name, file, sizes[each.name], mode)
            if each.known and (record.sha256, record.bytes) != (each.known.sha256, each.known.bytes):
                raise BackupError(f"{each.path} is damaged: its digest is not the published one. Nothing is backed up.")
            files[each.name] = record
            done += record.bytes
            progress(done, total)
        manifest = BackupManifest(akin=version("akin"), created=datetime.now(UTC), snapshot=live, files=files)
        content, digest = encode(manifest)
        _add(sink, MANIFEST, BytesIO(content), len(content))
        _add(sink, DIGEST, BytesIO(digest), len(digest))
    except BaseException:
        _discard(sink)
        raise
    sink.close()
    return manifest


def _add(sink: _Sink, name: str, file: IO[bytes], size: int, mode: int = 0o644) -> FileRecord:
    reader = _Reader(file, size)
    sink.add(name, reader, size, mode)
    if reader.left:
        raise BackupError(f"{name} became shorter while it was copied: try again.")
    return FileRecord(reader.digest.hexdigest(), size, mode)


def _discard(sink: _Sink) -> None:
    with suppress(OSError):  # the first error is the one to report
        sink.close()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
