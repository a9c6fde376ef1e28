"""Snapshots: building, publishing, listing, opening and verifying what the service searches."""

from __future__ import annotations

from retrieval_service.snapshot.build import build_snapshot
from retrieval_service.snapshot.changes import Source
from retrieval_service.snapshot.manifest import Manifest, read_manifest
from retrieval_service.snapshot.opened import Snapshot, open_snapshot, verify_snapshot
from retrieval_service.snapshot.options import BuildOptions, Progress
from retrieval_service.snapshot.recall import measured_recall
from retrieval_service.snapshot.shelf import Shelf
from retrieval_service.snapshot.tuning import Wanted, tune_snapshot
from retrieval_service.snapshot.update import update_snapshot

__all__ = [
    "BuildOptions",
    "Manifest",
    "Progress",
    "Shelf",
    "Snapshot",
    "Source",
    "Wanted",
    "build_snapshot",
    "measured_recall",
    "open_snapshot",
    "read_manifest",
    "tune_snapshot",
    "update_snapshot",
    "verify_snapshot",
]
