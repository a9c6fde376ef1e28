"""Examine the data folder: rights, owner, room on the disk, what was left half-written, and the live snapshot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from akin.doctor.finding import Finding, fail, gigabytes, ok, warn
from akin.errors import AkinError
from akin.stack.tritonserver import require_plain_paths
from akin.stack_settings import Settings
from akin.storage.locks import is_held
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.last_build import last_build_failed
from retrieval_service.corpus.manifest import Manifest, read_manifest
from retrieval_service.errors import RetrievalError

FIRST_BUILD = 1_000_000_000
"""Bytes for the server (510 MB), the sample papers and their index."""

LEFT_BEHIND = (
    "snapshots/.building-*",
    "maps/.building-*",
    "corpora/.*.part",
    "corpora/*/.*.part",
    ".restor*",
    "*/.restore-*",
)
_BUILD_LOCK = "snapshots/.lock"


def examine_folder(settings: Settings, user: int | None = None) -> Iterator[Finding]:
    """Yield the findings about the data folder itself; `user` is this process's, on systems that have user ids."""
    data = settings.data
    try:
        require_plain_paths(settings.run, settings.triton_home, settings.repository)
    except AkinError as error:
        yield fail("data folder", str(error), "set AKIN_DATA to such a folder")
    if not os.path.lexists(data):
        above = next(parent for parent in data.parents if parent.exists())
        if os.access(above, os.W_OK | os.X_OK):
            yield ok("data folder", f"{data} will be made at the first start")
        else:
            yield fail(
                "data folder",
                f"{data} cannot be made: {above} is {'read-only for this user' if above.is_dir() else 'a file'}",
                "set AKIN_DATA to a folder of your own",
            )
        return
    os.stat(data)  # a link that leads nowhere, or in a loop, is an error of its own
    if not data.is_dir():
        yield fail("data folder", f"{data} is a file", "set AKIN_DATA to a folder")
        return
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield fail(
            "data folder",
            f"{data} cannot be read and written by this user",
            f"chown or chmod it, or set AKIN_DATA (owner: {_owner(data)})",
        )
        return
    foreign = [path for path in _known(data) if user is not None and path.lstat().st_uid != user]
    if foreign:
        named = ", ".join(path.relative_to(data.parent).as_posix() for path in foreign[:3]) + (
            " …" if len(foreign) > 3 else ""
        )
        advice = f"run as {_owner(foreign[0])}, or chown -R the folder: each user writes only their own files"
        yield warn("data folder", f"{len(foreign)} of its entries belong to another user: {named}", advice)
    else:
        yield ok("data folder", str(data))


def examine_left(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about what killed commands left, and about how the last build ended."""
    data, left = settings.data, []
    for pattern in LEFT_BEHIND:
        # A running build holds its lock, and owns these.
        if not (pattern.startswith(("snapshots/", "maps/")) and is_held(data / _BUILD_LOCK)):
            left += sorted(data.glob(pattern))
    if left:
        named = ", ".join(path.relative_to(data).as_posix() for path in left[:3]) + (" …" if len(left) > 3 else "")
        size = gigabytes(sum(size_of(path) for path in left))
        advice = "the next build, fetch or restore removes or continues it; until then it only takes room"
        yield warn("half-written", f"{named} ({size})", advice)
    if last_build_failed(data):
        yield warn("last build", "failed, or was killed", "run it again; the snapshot before it serves")


def examine_snapshot(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Yield the findings about the live snapshot, without reading its files."""
    snapshots = SnapshotDirectory(settings.data)
    name = snapshots.current()
    if name is None:
        there = snapshots.ids()
        advice = f"akin index use {there[0]}" if there else "akin index build sample, or with a file of papers"
        yield warn("snapshot", "none is live: there is nothing to search", advice)
        return
    try:
        manifest = read_manifest(snapshots.path(name))
    except RetrievalError as error:
        advice = "akin index list, then akin index use ANOTHER; or build again (akin index build)"
        yield fail("snapshot", str(error), advice)
        return
    wrong = wrong_files(snapshots.path(name), {file: each.bytes for file, each in manifest.files.items()})
    if wrong:
        yield fail(
            "snapshot", f"{name}: {', '.join(wrong)}", "akin index verify; then akin index use ANOTHER, or build again"
        )
    if manifest.analysis_version != ANALYSIS_VERSION:
        yield fail("snapshot", f"{name} is of an earlier release", "akin index update, without a source, converts it")
    if manifest.created > now + timedelta(hours=1):
        yield warn(
            "clock",
            f"snapshot {name} was made at {manifest.created:%Y-%m-%d %H:%M}, after now",
            "set the clock (timedatectl)",
        )
    if not wrong and manifest.analysis_version == ANALYSIS_VERSION:
        part = " (partial: akin index update completes it)" if manifest.partial else ""
        yield ok("snapshot", f"{name}: {manifest.papers:,} papers of {manifest.source}{part}")


def examine_disk(settings: Settings, free: int | None = None) -> Iterator[Finding]:
    """Yield the finding about the room on the disk, against what the next snapshot needs.

    An update writes a whole snapshot beside the live one, and a little for new embeddings.
    """
    place = next(path for path in (settings.data, *settings.data.parents) if path.exists())
    usage = shutil.disk_usage(place)
    free = usage.free if free is None else free
    live = live_manifest(settings)
    needed = int(1.2 * sum(record.bytes for record in live.files.values())) if live else FIRST_BUILD
    has = f"{gigabytes(free)} of {gigabytes(usage.total)} free; the next snapshot needs about {gigabytes(needed)}"
    if free < needed:
        yield fail("disk", has, "akin index prune, or move AKIN_DATA to a larger disk")
    elif free < 0.1 * usage.total:
        yield warn("disk", has, "akin index prune; the alert AkinDiskFills fires below a tenth")
    else:
        yield ok("disk", has)
    if hasattr(os, "statvfs"):
        entries = os.statvfs(place)
        if entries.f_files and not entries.f_favail:
            yield fail("disk", "no file can be made: the file system has no free entry (inode)", "remove small files")


def live_manifest(settings: Settings) -> Manifest | None:
    """Return the manifest of the live snapshot; None without a readable one."""
    snapshots = SnapshotDirectory(settings.data)
    try:
        name = snapshots.current()
        return read_manifest(snapshots.path(name)) if name else None
    except (RetrievalError, OSError, UnicodeDecodeError):
        return None


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder, without following links."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    return sum((Path(folder) / name).lstat().st_size for folder, _, names in os.walk(path) for name in names)


def wrong_files(folder: Path, sizes: Mapping[str, int]) -> list[str]:
    """Return what is wrong with the sizes of files below a folder, a text each."""
    wrong = []
    for name, expected in sizes.items():
        try:
            size = (folder / name).stat().st_size
        except OSError as error:
            wrong.append(f"{name} cannot be read ({error.strerror})")
            continue
        if size != expected:
            wrong.append(f"{name} has {size:,} bytes, not {expected:,}")
    return wrong


def _known(data: Path) -> Iterator[Path]:
    yield data
    for path in sorted(data.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink() and os.access(path, os.R_OK | os.X_OK):
            yield from sorted(path.iterdir())


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, NotImplementedError):
        return f"user {path.lstat().st_uid}"
