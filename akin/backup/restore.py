"""Restore a backup: check it, write all of it beside its places, and rename.

Nothing is searchable before the end, as the name of the live snapshot is moved last. The moves are in a journal; if
they are interrupted, even by a kill, the next restore first takes them back.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec

from akin.backup.manifest import BackupManifest
from akin.backup.places import STAGE, Place, is_same_version, place_of, unit_of
from akin.backup.read import Backup, open_backup, read_files
from akin.errors import BackupError
from akin.registry.versions import CONFIG
from akin.stack.record import find_running_stack
from akin.stack_settings import Settings
from akin.storage.durable import replace_file, sync, sync_folder
from akin.storage.locks import hold_lock
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.corpus.manifest import read_manifest
from retrieval_service.corpus.snapshot import check_opens
from retrieval_service.errors import RetrievalError

JOURNAL = ".restoring"
FORMER = ".before-restore-"
_CURRENT = "snapshots/CURRENT"
_LISTED = ("snapshots/", "maps/", "embeddings/")
"""Parts that must be empty as a whole."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Restored:
    """Result of a restore: the manifest, what was there already, and where replaced files are now."""

    manifest: BackupManifest
    same: tuple[str, ...]
    former: tuple[str, ...]


class _Move(msgspec.Struct, frozen=True):
    """Rename of a staged file or folder to its place; `former` is where an existing one goes first."""

    staged: str
    target: str
    former: str | None


def check_backup(source: Path, progress: Callable[[int, int], None] = lambda *_: None) -> BackupManifest:
    """Read a whole backup and compare every file with its digest; return the manifest.

    Raises:
        BackupError: It is damaged.
    """
    with open_backup(source) as backup:
        done = 0
        for _, record, blocks in read_files(backup):
            for _block in blocks:
                pass
            done += record.bytes
            progress(done, backup.manifest.bytes)
        return backup.manifest


def restore(
    settings: Settings,
    source: Path,
    *,
    replace: bool,
    models: bool = True,
    say: Say,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Restored:
    """Restore a backup into the folders of these settings.

    Args:
        settings: The folders.
        source: The backup, a TAR file or a folder.
        replace: Move what is there aside; without this, a folder that holds something of the same kind is refused.
        models: Restore the versions of models too.
        say: Called with lines of progress.
        progress: Called with the bytes that are written, and all bytes.

    Raises:
        BackupError: The backup is damaged or does not fit; everything is as it was.
    """
    with open_backup(source) as backup, _errors(settings.data, source):
        if find_running_stack(settings) is not None:
            raise BackupError("the stack of this data folder runs: stop it first (akin down).")
        root = settings.data / "snapshots"
        root.mkdir(parents=True, exist_ok=True)
        busy = BackupError(f"{root}: a build or another restore is running; wait for its end.")
        with hold_lock(root / ".lock", 0.0, busy):
            take_back(settings, say)
            return _restore(settings, backup, replace, models, progress)


def _restore(
    settings: Settings, backup: Backup, replace: bool, models: bool, progress: Callable[[int, int], None]
) -> Restored:
    wanted = {
        name: place
        for name in backup.manifest.files
        if (place := place_of(settings, name)) is not None and (models or not name.startswith("models/"))
    }
    token = secrets.token_hex(4)
    folders = {place.folder for place in wanted.values()}
    _require_room(backup.manifest, wanted)
    if not replace:
        _require_free(wanted)
    try:
        _stage(backup, wanted, token, progress)
        same = {unit for unit in map(unit_of, wanted) if is_same_version(settings, unit, _staged(wanted, unit, token))}
        _require_fitting(wanted, token, same)
        moves = _moves(wanted, token, same, replace)
        journal = settings.data / JOURNAL
        replace_file(journal, msgspec.json.encode(moves))
        try:
            _move(moves)
        except BaseException:
            _undo(moves)
            journal.unlink()
            raise
        journal.unlink()
        sync(settings.data)
    finally:
        for folder in folders:
            shutil.rmtree(folder / f"{STAGE}{token}", ignore_errors=True)
    former = sorted({str(Path(move.former).parent) for move in moves if move.former and os.path.lexists(move.former)})
    return Restored(backup.manifest, tuple(sorted(same)), tuple(former))


def take_back(settings: Settings, say: Say) -> None:
    """Take back the moves of a restore that was killed, unless it made all of them, and remove what it staged."""
    journal = settings.data / JOURNAL
    try:
        moves = msgspec.json.decode(journal.read_bytes(), type=list[_Move])
    except FileNotFoundError:
        moves = []
    except msgspec.DecodeError as error:
        raise BackupError(f"{journal} cannot be read ({error}): remove it.") from error
    if moves and any(os.path.lexists(move.staged) for move in moves):
        say("an interrupted restore is taken back first")
        _undo(moves)
        for folder in {Path(move.staged).parent for move in moves}:
            shutil.rmtree(folder, ignore_errors=True)
    journal.unlink(missing_ok=True)
    kept = (settings.data.glob(f"{STAGE}*"), settings.data.glob(f"*/{STAGE}*"), settings.repository.glob(f"*/{STAGE}*"))
    for left in chain.from_iterable(kept):
        shutil.rmtree(left, ignore_errors=True)


def _require_room(manifest: BackupManifest, wanted: dict[str, Place]) -> None:
    needed: dict[int, int] = defaultdict(int)
    at: dict[int, Path] = {}
    for name, place in wanted.items():
        there = next(path for path in (place.folder, *place.folder.parents) if path.exists())
        device = there.stat().st_dev
        needed[device] += manifest.files[name].bytes
        at[device] = there
    for device, size in needed.items():
        free = shutil.disk_usage(at[device]).free
        if size > free:
            raise BackupError(f"{at[device]} has {free:,} bytes free, and the backup needs {size:,}: make room first.")


def _require_free(wanted: dict[str, Place]) -> None:
    """Check that nothing of the same kind is there; versions of models are compared by their digests, later.

    Raises:
        BackupError: There is something.
    """
    for place in {place.folder: place for name, place in wanted.items() if name.startswith(_LISTED)}.values():
        found = [path for path in place.folder.glob("*") if not path.name.startswith(".")]
        if found:
            raise _taken(found[0])
    for name, place in wanted.items():
        if not name.startswith((*_LISTED, "models/")) and os.path.lexists(place.target):
            raise _taken(place.target)


def _taken(path: Path) -> BackupError:
    return BackupError(
        f"{path} is there already: restore into an empty folder (AKIN_DATA), or give --replace, which keeps what is "
        "there under another name."
    )


def _stage(backup: Backup, wanted: dict[str, Place], token: str, progress: Callable[[int, int], None]) -> None:
    """Write every file beside its place, checked by its digest, and sync it."""
    done = 0
    for name, record, blocks in read_files(backup):
        if name not in wanted:
            for _ in blocks:
                pass
            continue
        path = wanted[name].staged(token)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for block in blocks:
                file.write(block)
        path.chmod(record.mode & 0o755 | 0o600)
        done += record.bytes
        progress(done, backup.manifest.bytes)
    for folder in {place.folder for place in wanted.values()}:
        if (folder / f"{STAGE}{token}").is_dir():
            sync_folder(folder / f"{STAGE}{token}")


def _require_fitting(wanted: dict[str, Place], token: str, same: set[str]) -> None:
    """Check that this release can read the snapshots.

    Raises:
        BackupError: A snapshot is of another schema, or the service would refuse it.
    """
    units = {unit_of(name) for name in wanted if name.startswith("snapshots/")} - same
    if _CURRENT in units and f"snapshots/{wanted[_CURRENT].staged(token).read_text('utf-8').strip()}" not in units:
        raise BackupError("the backup names a live snapshot that it does not have: it is not restored.")
    for unit in units - {_CURRENT}:
        folder = _staged(wanted, unit, token)
        manifest = read_manifest(folder)
        if manifest.analysis_version == ANALYSIS_VERSION:  # `akin index update` converts another one
            check_opens(folder, unit.partition("/")[2])


def _moves(wanted: dict[str, Place], token: str, same: set[str], replace: bool) -> list[_Move]:
    """Return the moves, models first and the name of the live snapshot last.

    Raises:
        BackupError: Another version of a model has the number of one in the backup, or another one serves.
    """
    # The pointer to the version that serves goes after the versions, and is nothing to refuse if it says the same.
    units = sorted({unit_of(name) for name in wanted} - same, key=_rank)
    moves = []
    for unit in units:
        target, staged = _target(wanted, unit), _staged(wanted, unit, token)
        former = None
        if os.path.lexists(target):
            if unit.endswith(f"/{CONFIG}") or _equal(target, staged):
                continue
            if not replace:
                raise BackupError(
                    f"{target} is there already, and is another one than in the backup: set AKIN_MODEL_REPOSITORY to "
                    "an empty folder, or give --replace, which keeps what is there under another name."
                )
            former = str(_former(wanted, unit, token))
        moves.append(_Move(str(staged), str(target), former))
    return moves


def _rank(unit: str) -> tuple[int, str]:
    order = 0 if unit.startswith("models/") and not unit.endswith("/PROMOTED") else 1
    return (3 if unit == _CURRENT else 2 if unit.endswith("/PROMOTED") else order, unit)


def _move(moves: list[_Move]) -> None:
    for move in moves:
        if move.former is not None:
            Path(move.former).parent.mkdir(exist_ok=True)
            os.rename(move.target, move.former)
        Path(move.target).parent.mkdir(parents=True, exist_ok=True)
        os.rename(move.staged, move.target)
        sync(Path(move.target).parent)


def _undo(moves: list[_Move]) -> None:
    for move in reversed(moves):
        if not os.path.lexists(move.staged) and os.path.lexists(move.target):
            os.rename(move.target, move.staged)
        if move.former is not None and os.path.lexists(move.former) and not os.path.lexists(move.target):
            os.rename(move.former, move.target)


def _equal(target: Path, staged: Path) -> bool:
    return target.is_file() and staged.is_file() and target.read_bytes() == staged.read_bytes()


def _unit_place(wanted: dict[str, Place], unit: str) -> tuple[Place, str]:
    name = next(name for name in wanted if unit_of(name) == unit)
    depth = len(name.split("/")) - len(unit.split("/"))
    return wanted[name], "/".join(wanted[name].inner.split("/")[: -depth or None])


def _staged(wanted: dict[str, Place], unit: str, token: str) -> Path:
    place, inner = _unit_place(wanted, unit)
    return place.folder / f"{STAGE}{token}" / inner


def _target(wanted: dict[str, Place], unit: str) -> Path:
    place, inner = _unit_place(wanted, unit)
    return place.folder / inner


def _former(wanted: dict[str, Place], unit: str, token: str) -> Path:
    place, inner = _unit_place(wanted, unit)
    return place.folder / f"{FORMER}{token}" / inner


@contextmanager
def _errors(where: Path, source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename and Path(os.fsdecode(error.filename)).is_relative_to(source):
            raise  # open_backup says that it cannot be read
        raise BackupError(
            f"cannot write {error.filename or where}: {error.strerror or error}. Correct this and repeat akin restore, "
            "or set AKIN_DATA to another folder."
        ) from error
    except RetrievalError as error:
        raise BackupError(f"the backup does not fit this release: {error}") from error
