"""Build, update and tune snapshots, which the retrieval service opens; the service never imports this package."""

from __future__ import annotations

from indexing.build import build_snapshot
from indexing.changes import ChangedPapers
from indexing.options import BuildOptions, Progress
from indexing.recall import measured_recall
from indexing.tune import TuneOptions, tune_snapshot
from indexing.update import update_snapshot

__all__ = [
    "BuildOptions",
    "ChangedPapers",
    "Progress",
    "TuneOptions",
    "build_snapshot",
    "measured_recall",
    "tune_snapshot",
    "update_snapshot",
]
