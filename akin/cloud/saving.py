"""Copy the folder of a run to the bucket while it is written, and take it back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from akin.bundles import NothingThere, Place, fetch_files, prune, push, read_bundle
from akin.errors import AkinError

Say = Callable[[str], None]

_TRIES = 5
_Signature = dict[str, tuple[int, int]]


def restore(place: Place, runs: Path, say: Say) -> str:
    """Fetch the folder of a run, and return its name; empty if the run has not been saved yet.

    Raises:
        BucketError: It cannot be fetched.
    """
    try:
        bundle = read_bundle(place, kind="run")
    except NothingThere:
        return ""
    target = runs / bundle.name
    if not target.exists():
        staging = runs / f".fetching-{bundle.name}"
        shutil.rmtree(staging, ignore_errors=True)
        fetch_files(place, bundle, staging)
        staging.rename(target)
        say(f"run {bundle.name} goes on from the copy in {place.address}")
    return bundle.name


class Saving:
    """Thread that pushes the folder of the only run below a folder whenever it has changed."""

    def __init__(self, place: Place, runs: Path, seconds: float, say: Say) -> None:
        """Take the address of the copies, the folder of runs, and the seconds between two copies."""
        self._place, self._runs, self._seconds, self._say = place, runs, seconds, say
        self._last: _Signature = {}
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._repeat, daemon=True)

    def start(self) -> None:
        """Begin to save."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a copy in progress is finished."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def save(self) -> bool:
        """Push the run if it has changed; return True if it was pushed.

        Raises:
            AkinError: It cannot be pushed.
        """
        with self._lock:
            folder = next(iter(sorted(path.parent for path in self._runs.glob("*/run.json"))), None)
            if folder is None:
                return False
            copy = self._runs.parent / f".saving-{folder.name}"
            try:
                signature = _copy(folder, copy, self._last)
                if signature is None:
                    return False
                files = {path: copy / path for path in signature}
                push(self._place, "run", folder.name, files)
                prune(self._place)
                self._last = signature
            except OSError as error:
                raise AkinError(f"the run cannot be copied: {error}.") from error
            finally:
                shutil.rmtree(copy, ignore_errors=True)
        return True

    def _repeat(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                if self.save():
                    self._say(f"saved the run in {self._place.address}")
            except AkinError as error:
                # The training goes on: a later copy may succeed.
                self._say(f"the run was not saved: {error}")


def _copy(folder: Path, copy: Path, last: _Signature) -> _Signature | None:
    """Copy a folder that is written at the same time; None if it is as it was last, or does not keep still.

    A copy during which a file changed would have halves of files, so it is made again.
    """
    for _ in range(_TRIES):
        signature = _signature(folder)
        if signature == last:
            return None
        shutil.rmtree(copy, ignore_errors=True)
        try:
            for path in signature:
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / path, copy / path)
        except FileNotFoundError:
            continue
        if _signature(folder) == signature:
            return signature
    return None


def _signature(folder: Path) -> _Signature:
    """Return the size and the time of each file, without folders that a stage is being made in.

    The stage `export` is left out too: the version that it made is in this machine's registry only.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith((".making-", "export/")) and path.is_file() and not path.is_symlink():
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            found[name] = (state.st_size, state.st_mtime_ns)
    return found
