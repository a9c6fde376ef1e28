"""The directory of all snapshots: list, build, publish, use and remove them.

data/snapshots/CURRENT                the id of the live snapshot and a newline
data/snapshots/<id>/                  a published snapshot, never changed again
data/snapshots/.building-<id>/        a snapshot in the making, or the rest of a build that was killed
data/snapshots/.lock                  locked by the process that builds
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from akin.storage.durable import replace_file, sync, sync_folder
from akin.storage.locks import hold_lock
from retrieval_service.corpus.manifest import Manifest, read_manifest
from retrieval_service.corpus.snapshot_lock import SnapshotLock, lock_alone
from retrieval_service.errors import BuildInProgress, SnapshotInUse, SnapshotInvalid, SnapshotNotFound

_BUILDING = ".building-"
_CURRENT = "CURRENT"
_ABANDONED_SECONDS = 3600
_TIME = "%Y%m%dT%H%M%S"
_ID = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{6}")


class SnapshotDirectory:
    """The snapshots of a data directory."""

    def __init__(self, data: Path) -> None:
        """Take the data directory, which need not exist yet."""
        self.root = data / "snapshots"

    @property
    def current_file(self) -> Path:
        """The file that names the live snapshot."""
        return self.root / _CURRENT

    def current(self) -> str | None:
        """Return the id of the live snapshot; None when there is none."""
        try:
            return self.current_file.read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None

    def path(self, snapshot_id: str) -> Path:
        """Return the directory of a published snapshot.

        Raises:
            SnapshotNotFound: No snapshot has that id.
        """
        path = self.root / snapshot_id
        # An id is a single path component, so that no id leads out of the directory.
        is_one_name = bool(snapshot_id) and Path(snapshot_id).name == snapshot_id and not snapshot_id.startswith(".")
        if not is_one_name or not path.is_dir():
            known = ", ".join(self.ids()) or "none"
            raise SnapshotNotFound(f"There is no snapshot {snapshot_id!r}. Published snapshots: {known}.")
        return path

    def ids(self) -> list[str]:
        """Return the ids of all published snapshots, the newest first."""
        if not self.root.is_dir():
            return []
        return sorted((p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith(".")), reverse=True)

    def manifests(self) -> list[Manifest]:
        """Return the manifests of all published snapshots that have a readable one, the newest first."""
        found = []
        for snapshot_id in self.ids():
            try:
                found.append(read_manifest(self.root / snapshot_id))
            except SnapshotInvalid:
                continue
        return found

    def use(self, snapshot_id: str) -> None:
        """Make a snapshot live, atomically; it cannot be removed meanwhile.

        Raises:
            SnapshotNotFound: No snapshot has that id, or it is being removed.
            SnapshotInvalid: The snapshot has no readable manifest.
        """
        path = self.path(snapshot_id)
        # `remove` reads CURRENT under the exclusive lock, so it cannot run between these two lines.
        with closing(SnapshotLock(path)):
            read_manifest(path)
            replace_file(self.current_file, f"{snapshot_id}\n".encode())

    def remove(self, snapshot_id: str) -> None:
        """Remove a snapshot that is neither live nor open in any process.

        Raises:
            SnapshotNotFound: No snapshot has that id.
            SnapshotInUse: The snapshot is live, or open in a service or another process.
        """
        path = self.path(snapshot_id)
        with lock_alone(path) as unused:
            if snapshot_id == self.current():
                raise SnapshotInUse(
                    f"Snapshot {snapshot_id} is the live one; make another one live first: akin index use ID"
                )
            if not unused:
                raise SnapshotInUse(
                    f"Snapshot {snapshot_id} is in use, by a service that has not changed to the live one yet or by a "
                    "command; try again in a moment."
                )
            # Renamed first, so that a partly removed snapshot never has the name of a published one.
            doomed = self.root / f"{_BUILDING}{snapshot_id}"
            path.rename(doomed)
            sync(self.root)
            shutil.rmtree(doomed)

    def prune(self, keep: int, *, in_use: Callable[[str], None] = lambda _: None) -> list[str]:
        """Remove all but the newest snapshots, the live one and those in use, and return the removed ids.

        What killed commands have left is removed too.

        Partial snapshots do not count, and are removed unless live: a build leaves them behind with each step.

        Args:
            keep: Number of the newest snapshots that stay.
            in_use: Called with the id of each snapshot that stays because a process has it open.

        Raises:
            BuildInProgress: Another process is building, perhaps from a snapshot that would be removed.
        """
        with self._build_lock():
            self._remove_unpublished()
            partial = self._partial()
            whole = [name for name in self.ids() if name not in partial]
            return self._remove_unused([*partial, *whole[keep:]], in_use)

    def remove_superseded(self) -> list[str]:
        """Remove the partial snapshots that are neither live nor in use; return the ids of those in use."""
        kept: list[str] = []
        self._remove_unused(self._partial(), kept.append)
        return kept

    def _partial(self) -> list[str]:
        """Return the ids of the partial snapshots."""
        return [manifest.id for manifest in self.manifests() if manifest.partial]

    def _remove_unused(self, names: list[str], in_use: Callable[[str], None]) -> list[str]:
        """Remove some snapshots, except the live one and those in use; return the removed ids."""
        live, removed = self.current(), []
        for name in names:
            if name == live:
                continue
            try:
                self.remove(name)
                removed.append(name)
            except SnapshotInUse:
                in_use(name)
            except (SnapshotNotFound, FileNotFoundError):  # another command removes it too
                continue
        return removed

    @contextmanager
    def new_build(self, snapshot_id: str | None = None) -> Iterator[Path]:
        """Make a directory named `.building-<id>` to build a snapshot in; remove it afterwards unless it was published.

        Args:
            snapshot_id: Id of a snapshot that is copied here; None for a new one.

        Raises:
            BuildInProgress: Another process is building.
        """
        with self._build_lock():
            self._remove_unpublished()
            try:
                yield self.another_build(snapshot_id)
            finally:
                self._remove_unpublished()

    def another_build(self, snapshot_id: str | None = None) -> Path:
        """Return a further directory to build a snapshot in, inside the block of `new_build`."""
        directory = self.root / f"{_BUILDING}{snapshot_id or self._new_id()}"
        directory.mkdir()
        return directory

    def _new_id(self) -> str:
        """Return an id that is newer than all others, even after the clock was set back."""
        moment = datetime.now(UTC).replace(microsecond=0)
        others = [path.name.removeprefix(_BUILDING) for path in self.root.iterdir()]
        known = [datetime.strptime(each[1], f"{_TIME}%z") for name in others if (each := _ID.fullmatch(name))]
        moment = max([moment, *(each + timedelta(seconds=1) for each in known)])
        return f"{moment:{_TIME}}Z-{secrets.token_hex(3)}"

    def _remove_unpublished(self) -> None:
        """Remove what killed commands have left."""
        for stale in self.root.glob(f"{_BUILDING}*"):
            shutil.rmtree(stale, ignore_errors=True)
        for stale in self.root.glob(f".{_CURRENT}.*"):
            # A newer one may be of a command that is changing the live snapshot now.
            with suppress(FileNotFoundError):
                if time.time() - stale.stat().st_mtime > _ABANDONED_SECONDS:
                    stale.unlink()

    def _build_lock(self) -> AbstractContextManager[None]:
        busy = f"{self.root}: another build is running; wait for its end or choose another AKIN_DATA."
        return hold_lock(self.root / ".lock", 0.0, BuildInProgress(busy))

    def publish(self, building: Path) -> Path:
        """Sync a built snapshot to the disk and give it its name; this does not make it live."""
        sync_folder(building)
        published = self.root / snapshot_id(building)
        building.rename(published)
        sync(self.root)
        return published


def snapshot_id(building: Path) -> str:
    """Return the id of the snapshot that is built in a directory."""
    return building.name.removeprefix(_BUILDING)
