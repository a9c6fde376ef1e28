"""The corpus that the service searches: published snapshots, opened, verified, and replaced while searches run."""

from __future__ import annotations

from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import Manifest, read_manifest
from retrieval_service.corpus.snapshot import Snapshot, open_snapshot, verify_snapshot

__all__ = ["Manifest", "Snapshot", "SnapshotDirectory", "open_snapshot", "read_manifest", "verify_snapshot"]
