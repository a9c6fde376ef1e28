"""Check a whole snapshot, while it is served, for damage that opening it does not find."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Thread, get_native_id

from retrieval_service.corpus.manifest import Manifest, check_digest
from retrieval_service.errors import SnapshotInvalid


class BackgroundCheck(Thread):
    """A thread that compares every file of a snapshot with its published digest.

    Attributes:
        damage: The fault of the first file that differs; None while no such file was found.
    """

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        """Take the snapshot; `start` begins to read."""
        super().__init__(name="check", daemon=True)
        self.damage: SnapshotInvalid | None = None
        self._directory = directory
        self._manifest = manifest
        self._stopped = False

    def stop(self) -> None:
        """End the thread after the file that it reads now."""
        self._stopped = True

    def run(self) -> None:
        """Read until damage is found or all files are read."""
        if sys.platform == "linux":
            # Lowest priority, so that this thread does not slow searches; Linux sets it for each thread.
            os.setpriority(os.PRIO_PROCESS, get_native_id(), 19)
        for name in self._manifest.files:
            if self._stopped:
                return
            try:
                check_digest(self._directory, name, self._manifest)
            except SnapshotInvalid as error:
                self.damage = error.without_traceback()
                return
