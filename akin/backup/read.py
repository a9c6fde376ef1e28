"""Open a backup, a TAR file or a folder, and read its files, each checked by its digest."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Protocol

from akin.backup.manifest import DIGEST, MANIFEST, MOST_BYTES, BackupManifest, FileRecord, decode
from akin.errors import BackupError

_BLOCK = 4 << 20
_GIVE = "give a file or folder that `akin backup` wrote to its end, or copy it again"


class Backup(Protocol):
    """Opened backup.

    Attributes:
        manifest: Its manifest.
    """

    manifest: BackupManifest

    def entries(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Yield the name and the content of each file, in any order."""


@contextmanager
def open_backup(path: Path) -> Iterator[Backup]:
    """Yield an opened backup, of which only the manifest has been read.

    Raises:
        BackupError: There is none, it is incomplete, or its manifest is damaged or of another format.
    """
    try:
        if path.is_dir():
            yield _FolderBackup(path)
        else:
            with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
                yield _TarBackup(path, tar)
    except tarfile.TarError as error:
        raise BackupError(f"{path} is no backup, or is damaged ({error}): {_GIVE}.") from error
    except EOFError as error:
        raise BackupError(f"{path} ends in the middle of a file: copy it again.") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        if not os.path.lexists(path):
            raise BackupError(f"{path} is not there: {_GIVE}.") from error
        raise BackupError(f"{path} lacks {error.filename}: take another copy of the backup.") from error
    except OSError as error:
        raise BackupError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from error


class _TarBackup:
    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        self._path, self._tar = path, tar
        own = {}
        for member in tar:
            if member.name in (MANIFEST, DIGEST) and member.isreg() and member.size <= MOST_BYTES:
                own[member.name] = self._open(member).read()
        if len(own) != 2:
            raise BackupError(f"{path} is incomplete, or no backup of Akin: it has no {MANIFEST}: {_GIVE}.")
        self.manifest = decode(own[MANIFEST], own[DIGEST])

    def entries(self) -> Iterator[tuple[str, IO[bytes]]]:
        for member in self._tar:
            if member.name in (MANIFEST, DIGEST):
                continue
            if not member.isreg():
                raise BackupError(f"{self._path} has {member.name[:80]!r}, which is no file: it is not restored.")
            yield member.name, self._open(member)

    def _open(self, member: tarfile.TarInfo) -> IO[bytes]:
        file = self._tar.extractfile(member)
        if file is None:
            raise BackupError(f"{self._path}: {member.name[:80]!r} cannot be read.")
        return file


class _FolderBackup:
    def __init__(self, path: Path) -> None:
        self._path = path
        if not (path / MANIFEST).is_file():
            raise BackupError(f"{path} is incomplete, or no backup of Akin: it has no {MANIFEST}: {_GIVE}.")
        with _plain(path, MANIFEST) as content, _plain(path, DIGEST) as digest:
            self.manifest = decode(content.read(MOST_BYTES), digest.read(200))

    def entries(self) -> Iterator[tuple[str, IO[bytes]]]:
        for name in self.manifest.files:
            with _plain(self._path, name) as file:
                yield name, file


@contextmanager
def _plain(folder: Path, name: str) -> Iterator[IO[bytes]]:
    """Open a file of a folder if it is a file of its own: no link leads to another place."""
    path = folder / name
    for part in (path, *path.parents):
        if part == folder:
            break
        if part.is_symlink():
            raise BackupError(f"{part} is a link: it is not restored.")
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise BackupError(f"{path} is no file: it is not restored.")
    with path.open("rb") as file:
        yield file


def read_files(backup: Backup) -> Iterator[tuple[str, FileRecord, Iterator[bytes]]]:
    """Yield each file that the manifest lists, as blocks; the end of the blocks checks size and digest.

    Raises:
        BackupError: A file is damaged, missing, listed twice, or not in the manifest.
    """
    left = dict(backup.manifest.files)
    for name, file in backup.entries():
        record = left.pop(name, None)
        if record is None:
            raise BackupError(f"the backup has a file {name[:80]!r} that its manifest does not list, or has it twice.")
        yield name, record, _blocks(name, record, file)
    if left:
        raise BackupError(f"the backup lacks {next(iter(left))} and {len(left) - 1:,} more: copy it again.")


def _blocks(name: str, record: FileRecord, file: IO[bytes]) -> Iterator[bytes]:
    digest, size = sha256(), 0
    while block := file.read(_BLOCK):
        size += len(block)
        if size > record.bytes:
            break
        digest.update(block)
        yield block
    if size != record.bytes or digest.hexdigest() != record.sha256:
        raise BackupError(f"the backup is damaged: {name} is not as it was written. Take another copy.")
