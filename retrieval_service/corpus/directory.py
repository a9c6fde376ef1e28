"""The directory all snapshots live in: which there are, which is live, and how another becomes so.

data/snapshots/CURRENT                the id of the live snapshot and a newline
data/snapshots/<id>/                  a published snapshot, never changed again
data/snapshots/.building-<id>/        one being built, or left by a build that was killed
data/snapshots/.lock                  held, as long as it lives, by the process that builds
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from retrieval_service.corpus.manifest import Manifest, read_manifest
from retrieval_service.corpus.snapshot_lock import SnapshotLock, lock_alone
from retrieval_service.errors import BuildInProgress, SnapshotInUse, SnapshotInvalid, SnapshotNotFound
from storage.durable import replace_file, sync

_BUILDING = ".building-"
_CURRENT = "CURRENT"


class SnapshotDirectory:
    """The snapshots of a data directory."""

    def __init__(self, data: Path) -> None:
        """Takes the data directory, which need not exist yet."""
        self.root = data / "snapshots"

    @property
    def current_file(self) -> Path:
        """The file that names the live snapshot."""
        return self.root / _CURRENT

    def current(self) -> str | None:
        """The id of the live snapshot; None when there is none."""
        try:
            return self.current_file.read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None

    def path(self, snapshot_id: str) -> Path:
        """The directory of a published snapshot.

        Raises:
            SnapshotNotFound: there is none of that id.
        """
        path = self.root / snapshot_id
        # An id is one name, so that no id reaches out of the snapshots.
        one_name = bool(snapshot_id) and Path(snapshot_id).name == snapshot_id and not snapshot_id.startswith(".")
        if not one_name or not path.is_dir():
            known = ", ".join(self.ids()) or "none"
            raise SnapshotNotFound(f"There is no snapshot {snapshot_id!r}; there are: {known}.")
        return path

    def ids(self) -> list[str]:
        """The ids of all published snapshots, the newest first."""
        if not self.root.is_dir():
            return []
        return sorted((p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith(".")), reverse=True)

    def manifests(self) -> list[Manifest]:
        """The manifests of all published snapshots that have a readable one, the newest first."""
        found = []
        for snapshot_id in self.ids():
            try:
                found.append(read_manifest(self.root / snapshot_id))
            except SnapshotInvalid:
                continue
        return found

    def use(self, snapshot_id: str) -> None:
        """Make a snapshot the live one, in one step that is done or not done; meanwhile nobody removes it.

        Raises:
            SnapshotNotFound: there is none of that id, or it is being removed.
            SnapshotInvalid: it has no readable manifest.
        """
        path = self.path(snapshot_id)
        # Who removes a snapshot has it alone while it looks at CURRENT.
        with closing(SnapshotLock(path)):
            read_manifest(path)
            replace_file(self.current_file, f"{snapshot_id}\n".encode())

    def remove(self, snapshot_id: str) -> None:
        """Removes a snapshot that is neither the live one nor held by anybody.

        Raises:
            SnapshotNotFound: there is none of that id.
            SnapshotInUse: it is the live one, or a service or another process has it open.
        """
        path = self.path(snapshot_id)
        with lock_alone(path) as nobody_has_it:
            if snapshot_id == self.current():
                raise SnapshotInUse(f"Snapshot {snapshot_id} is the live one; use another first.")
            if not nobody_has_it:
                raise SnapshotInUse(
                    f"Snapshot {snapshot_id} is in use: a service has not gone over to the live one yet, or a command "
                    "reads it."
                )
            # Renamed first, so that a half-removed snapshot is never taken for a whole one.
            doomed = self.root / f"{_BUILDING}{snapshot_id}"
            path.rename(doomed)
            shutil.rmtree(doomed)

    def prune(self, keep: int, *, in_use: Callable[[str], None] = lambda _: None) -> list[str]:
        """Removes all but the newest snapshots, the live one and those in use, and returns the ids of those removed.

        Args:
            keep: how many of the newest stay.
            in_use: is told the id of a snapshot that stays because somebody has it open.

        Raises:
            BuildInProgress: another process is building, perhaps of one that would be removed.
        """
        with self._locked():
            live = self.current()
            removed = []
            for name in self.ids()[keep:]:
                if name == live:
                    continue
                try:
                    self.remove(name)
                    removed.append(name)
                except SnapshotInUse:
                    in_use(name)
            return removed

    @contextmanager
    def new_build(self) -> Iterator[Path]:
        """A new directory to build a snapshot in, named `.building-<id>`; gone afterwards unless published.

        Raises:
            BuildInProgress: another process is building.
        """
        with self._locked():
            for stale in self.root.glob(f"{_BUILDING}*"):
                shutil.rmtree(stale, ignore_errors=True)
            directory = self.root / f"{_BUILDING}{_new_id()}"
            directory.mkdir()
            try:
                yield directory
            finally:
                shutil.rmtree(directory, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("a") as lock:
            try:
                # The system gives the lock free when its holder dies, however it dies.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise BuildInProgress(
                    f"{self.root}: another build is under way; wait for it or choose another AKIN_DATA."
                ) from error
            yield

    def publish(self, building: Path) -> Path:
        """Brings a built snapshot to the disk and under its name; it is not the live one yet."""
        for path in [*building.rglob("*"), building]:
            if path.is_dir():
                sync(path)
            else:
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        published = self.root / snapshot_id(building)
        building.rename(published)
        sync(self.root)
        return published


def snapshot_id(building: Path) -> str:
    """The id that what is built in a directory will have."""
    return building.name.removeprefix(_BUILDING)


def _new_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
