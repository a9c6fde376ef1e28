"""Snapshots: building, publishing, listing, opening and verifying what the service searches."""

from __future__ import annotations

from retrieval_service.snapshot.build import BuildOptions, Progress, build_snapshot
from retrieval_service.snapshot.manifest import Manifest, read_manifest
from retrieval_service.snapshot.opened import Snapshot, open_snapshot, verify_snapshot
from retrieval_service.snapshot.shelf import Shelf

__all__ = [
    "BuildOptions",
    "Manifest",
    "Progress",
    "Shelf",
    "Snapshot",
    "build_snapshot",
    "open_snapshot",
    "read_manifest",
    "verify_snapshot",
]
