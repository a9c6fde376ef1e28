"""Snapshots that rank words by learned weights: built, in steps too, verified, and not updated."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from akin.indexing.build import build_snapshot
from akin.indexing.options import BuildOptions
from akin.indexing.update import update_snapshot
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import Manifest
from retrieval_service.corpus.snapshot import open_snapshot, verify_snapshot
from retrieval_service.errors import SnapshotError

pytestmark = pytest.mark.integration


def build(papers: list[Any], kit: Any, data: Path, weights: dict[str, Any], **options: Any) -> Manifest:
    file = data / "weights.jsonl"
    file.write_text("".join(json.dumps({"id": name, "weights": each}) + "\n" for name, each in weights.items()))
    return asyncio.run(
        build_snapshot(
            papers, kit.Encoder(), data, source_name="papers", options=BuildOptions(word_weights=file, **options)
        )
    )


def test_a_snapshot_ranks_by_the_weights_and_refuses_an_update(tmp_path: Path, kit: Any) -> None:
    papers = kit.papers(30)
    weights = {paper.id: {"zebra": number + 1.0} for number, paper in enumerate(papers)}
    lives: list[Manifest] = []
    for options in ({}, {"steps": (0.5,)}):
        made = build(papers, kit, tmp_path, weights, **options)
        directory = SnapshotDirectory(tmp_path).path(made.id)
        assert "lexical/learned.json" in made.files
        assert verify_snapshot(directory) == []
        opened = open_snapshot(directory)
        hits = opened.lexical.search("zebras", 3)
        opened.close()
        assert hits.rows.tolist() == [29, 28, 27]
        assert hits.scores == pytest.approx([30, 29, 28], abs=30 / 255)
        lives.append(made)
    with pytest.raises(SnapshotError, match=r"ranks words by the weights of weights\.jsonl, .* with --word-weights"):
        asyncio.run(update_snapshot(_Changes(), kit.Encoder(), tmp_path))  # type: ignore[arg-type]
    del weights[papers[7].id]
    with pytest.raises(SnapshotError, match=f"no weights for the paper {papers[7].id}"):
        build(papers, kit, tmp_path, weights)
    assert SnapshotDirectory(tmp_path).current() == lives[-1].id


class _Changes:
    """Changes that must not be read."""
