"""Write files and folders so that they are complete or absent, even after a crash."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


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
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync(path.parent)


def replace_folder(aside: Path, folder: Path) -> None:
    """Put a complete folder, which lies beside it, in the place of a folder that may exist, and sync the names.

    A folder is not replaced in one step: for a moment there is none. The old one is then removed; after a kill it may
    be left, under the name of `aside` with `-old`.

    Raises:
        OSError: It cannot be renamed; the old folder is in its place.
    """
    old = aside.with_name(f"{aside.name}-old")
    shutil.rmtree(old, ignore_errors=True)
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
    shutil.rmtree(old, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Sync all that a folder has, and the folder itself, to the disk."""
    for path in (*folder.rglob("*"), folder):
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
