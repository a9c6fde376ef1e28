"""Reading a whole snapshot once, for damage that opening it does not see, while it is served already."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Thread, get_native_id

from retrieval_service.corpus.manifest import Manifest, check_digest
from retrieval_service.errors import SnapshotInvalid


class BackgroundCheck(Thread):
    """Compares every file of a snapshot with the digest it was published with.

    Attributes:
        damage: what is wrong with the first file that is not as it was published; None while none was found.
    """

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        """Reads nothing before it is started."""
        super().__init__(name="check", daemon=True)
        self.damage: SnapshotInvalid | None = None
        self._directory = directory
        self._manifest = manifest
        self._stopped = False

    def stop(self) -> None:
        """Has it end with the file that it is at."""
        self._stopped = True

    def run(self) -> None:
        """Reads until there is damage or all is read."""
        if sys.platform == "linux":
            # Linux gives each thread a priority of its own: this one has what time the searches leave.
            os.setpriority(os.PRIO_PROCESS, get_native_id(), 19)
        for name in self._manifest.files:
            if self._stopped:
                return
            try:
                check_digest(self._directory, name, self._manifest)
            except SnapshotInvalid as error:
                self.damage = error.without_traceback()
                return
