"""`akin demo` uses the live snapshot, or builds another one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from akin.cli import index
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.corpus.manifest import EncoderRecord, IndexRecord, Manifest, write_manifest


@pytest.mark.parametrize(
    ("live", "built"),
    [
        ({}, []),
        ({"source": "other.jsonl"}, ["papers.jsonl"]),
        ({"encoder": EncoderRecord(2, "other", 4)}, ["papers.jsonl"]),
        ({"analysis_version": ANALYSIS_VERSION - 1}, ["papers.jsonl"]),
        (None, ["papers.jsonl"]),
    ],
)
def test_a_snapshot_that_would_not_be_served_as_asked_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: dict[str, Any] | None, built: list[str]
) -> None:
    if live is not None:
        directory = tmp_path / "snapshots" / "one"
        directory.mkdir(parents=True)
        usual: dict[str, Any] = {
            "source": "papers.jsonl",
            "encoder": EncoderRecord(1, "promoted", 4),
            "analysis_version": ANALYSIS_VERSION,
        }
        manifest = Manifest(
            id="one",
            created=datetime.now(UTC),
            papers=3,
            rejected={},
            embedded=3,
            passage_text_version=1,
            index=IndexRecord("SQfp16", "few"),
            files={},
            **{**usual, **live},
        )
        write_manifest(directory, manifest)
        (tmp_path / "snapshots" / "CURRENT").write_text("one\n")
    asked: list[str] = []
    monkeypatch.setattr("akin.registry.versions.promoted_version", lambda _: SimpleNamespace(digest="promoted"))
    monkeypatch.setattr(index, "corpus_path", lambda _, source: Path(source))
    monkeypatch.setattr(index, "build_index", lambda _, source: asked.append(source))
    index.build_if_needed(SimpleNamespace(data=tmp_path, repository=tmp_path), "papers.jsonl")  # type: ignore[arg-type]
    assert asked == built
