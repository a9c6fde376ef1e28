"""Write files and folders so that they are complete or absent, even after a crash."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from pathlib import Path

# Of Linux: paths are relative to the working directory, and both names exist before and after.
_HERE = -100
_RENAME_EXCHANGE = 2


def replace_file(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Give a file new content in one step: write it beside the file, sync it to the disk, rename it.

    Args:
        path: The file.
        content: Its new content.
        mode: Its rights; before it has them, only its user may read it.

    Raises:
        OSError: It cannot be written; the file is unchanged, and nothing is left beside it.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.chmod(name, mode)
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync(path.parent)


def publish_file(aside: Path, path: Path) -> None:
    """Give a complete file, which lies in the same folder, its name, and sync both to the disk; replace an older file.

    Raises:
        OSError: It cannot be renamed; the older file is in its place.
    """
    sync(aside)
    os.replace(aside, path)
    sync(path.parent)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and the parents that it lacks, and sync their names to the disk.

    Raises:
        OSError: It cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for each in missing:
        sync(each.parent)


def replace_folder(aside: Path, folder: Path) -> None:
    """Put a complete folder, which lies beside it, in the place of a folder that may exist, and sync it to the disk.

    The two change their names in one step. On a file system that cannot do this, for a moment there is none. The old
    one is then removed; after a kill it may be left, under the name of `aside`, or that with `-old`.

    Raises:
        OSError: It cannot be synced or renamed; the old folder is in its place.
    """
    sync_folder(aside)
    old = aside.with_name(f"{aside.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    if not _exchange(aside, folder):
        try:
            folder.rename(old)
        except FileNotFoundError:
            aside.rename(folder)
        else:
            try:
                aside.rename(folder)
            except OSError:
                old.rename(folder)
                raise
    sync(folder.parent)
    for left in (aside, old):
        shutil.rmtree(left, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step; return False if one is missing or the system cannot do it."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, TypeError, AttributeError):  # not Linux, or an old C library
        return False
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def sync_folder(folder: Path) -> None:
    """Sync all that a folder has, and the folder itself, to the disk; links are names only."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            sync(path)


def sync(path: Path) -> None:
    """Sync a file's content, or a directory's entries, to the disk; Windows syncs neither by a handle for reading."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
