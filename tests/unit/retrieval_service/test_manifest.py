"""The manifest of a partial snapshot, beside those of whole ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from retrieval_service.corpus import SnapshotDirectory, read_manifest
from retrieval_service.corpus.manifest import COVERED, EncoderRecord, write_manifest
from retrieval_service.corpus.snapshot import read_covered
from retrieval_service.errors import SnapshotInvalid
from tests.unit.published import published_manifest

ENCODER = EncoderRecord(1, "a" * 64, 384)
OF_A_WHOLE_SNAPSHOT = [
    *("schema", "id", "created", "source", "papers", "rejected", "embedded", "encoder", "passage_text_version"),
    *("analysis_version", "index", "files", "change", "harvested", "subset", "repository"),
]


def test_a_whole_snapshot_has_the_fields_it_always_had(tmp_path: Path) -> None:
    manifest = published_manifest(tmp_path, "one", ENCODER)
    path = SnapshotDirectory(tmp_path).path("one")
    assert list(json.loads((path / "manifest.json").read_bytes())) == OF_A_WHOLE_SNAPSHOT
    assert not manifest.partial
    assert read_manifest(path) == manifest


def test_a_partial_snapshot_says_how_many_papers_have_vectors(tmp_path: Path) -> None:
    manifest = published_manifest(tmp_path, "one", ENCODER, papers=9, with_vectors=0)
    path = SnapshotDirectory(tmp_path).path("one")
    assert json.loads((path / "manifest.json").read_bytes())["with_vectors"] == 0
    assert read_manifest(path) == manifest
    assert manifest.partial
    whole = msgspec.structs.replace(manifest, with_vectors=msgspec.UNSET)
    write_manifest(path, whole)
    assert list(json.loads((path / "manifest.json").read_bytes())) == OF_A_WHOLE_SNAPSHOT


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([1, 3, 8], None),
        ([1, 3], "names 2 papers with vectors, not 3"),
        ([1, 3, 9], "ascending rows below 9"),
        ([1, 1, 3], "ascending"),
        ([3, 1, 8], "ascending"),
        (None, "cannot be read"),
    ],
)
def test_rows_that_do_not_fit_the_snapshot_are_refused(tmp_path: Path, rows: list[int] | None, fault: str) -> None:
    manifest = published_manifest(tmp_path, "one", ENCODER, papers=9, with_vectors=3)
    path = SnapshotDirectory(tmp_path).path("one")
    if rows is not None:
        np.asarray(rows, "<u4").tofile(path / COVERED)
    if fault is None:
        assert read_covered(path, manifest).tolist() == rows
        return
    with pytest.raises(SnapshotInvalid, match=fault) as refused:
        read_covered(path, manifest)
    assert COVERED in str(refused.value)


def test_partial_snapshots_that_are_not_live_are_removed(tmp_path: Path) -> None:
    snapshots = SnapshotDirectory(tmp_path)
    for name, more in (("1", {}), ("2", {}), ("3", {"with_vectors": 0}), ("4", {"with_vectors": 1}), ("5", {})):
        published_manifest(tmp_path, name, ENCODER, **more)
    snapshots.use("3")
    # They do not count among those that are kept, either.
    assert sorted(snapshots.prune(2)) == ["1", "4"]
    assert snapshots.ids() == ["5", "3", "2"]
    snapshots.use("5")
    assert snapshots.remove_superseded() == []
    assert snapshots.ids() == ["5", "2"]


@pytest.mark.parametrize("rest", [(), ("one",)], ids=["before", "meanwhile"])
def test_a_snapshot_that_another_command_removes_too_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: tuple[str, ...]
) -> None:
    snapshots = SnapshotDirectory(tmp_path)
    for name in ("live", "one", "two"):
        published_manifest(tmp_path, name, ENCODER, with_vectors=0)
    snapshots.use("live")
    monkeypatch.setattr(snapshots, "_partial", lambda: ["one", "two"])
    if rest:
        # The other command is between the two steps of this one.
        monkeypatch.setattr(snapshots, "path", lambda name: snapshots.root / name)
    shutil.rmtree(snapshots.root / "one")
    assert snapshots.remove_superseded() == []
    assert snapshots.ids() == ["live"]
