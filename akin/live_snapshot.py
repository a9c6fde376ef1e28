"""Make the snapshots of one command live in turn, unless somebody makes another one live meanwhile."""

from __future__ import annotations

from akin.index_reports import Say
from akin.registry.switch import make_live
from akin.stack_settings import Settings
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import Manifest


class LiveSnapshot:
    """The live snapshot as one command left it."""

    def __init__(self, settings: Settings, say: Say) -> None:
        """Remember which snapshot is live now."""
        self._settings, self._say = settings, say
        self._snapshots = SnapshotDirectory(settings.data)
        self._last = self._snapshots.current()

    def replace(self, manifest: Manifest) -> bool:
        """Make a snapshot live, and return True; return False if another one was made live, and say what to do.

        Of a partial snapshot nothing is said, as the whole one follows.
        """
        current = self._snapshots.current()
        if current is not None and current != self._last:
            if not manifest.partial:
                to_use = f"akin index use {manifest.id}"
                self._say(f"{current} was made live meanwhile, and stays live; to search the new one: {to_use}")
            return False
        make_live(self._settings, manifest.id, self._say)
        self._last = manifest.id
        return True
