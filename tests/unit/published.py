"""Publish a snapshot that has only its manifest."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retrieval_service.corpus import Manifest, SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord, IndexRecord, write_manifest


def published_manifest(data: Path, name: str, encoder: EncoderRecord, **more: Any) -> Manifest:
    manifest = Manifest(
        id=name,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        source="papers.jsonl",
        rejected={},
        embedded=1,
        encoder=encoder,
        index=IndexRecord("SQfp16", "exact"),
        **({"files": {}, "papers": 1, "passage_text_version": 1, "analysis_version": 1} | more),
    )
    directory = SnapshotDirectory(data).root / name
    directory.mkdir(parents=True)
    write_manifest(directory, manifest)
    return manifest
