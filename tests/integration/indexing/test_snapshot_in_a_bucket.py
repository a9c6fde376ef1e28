"""Push a built snapshot to a bucket and fetch it on another machine: it answers as it did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from akin import sources
from akin.errors import BucketError
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.snapshot import verify_snapshot
from tests.integration.generated import built, hashed
from tests.integration.snapshots import opened
from tests.unit.bundles.bucket_server import BucketServer, bucket_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    with bucket_server() as running:
        monkeypatch.setenv("GOOGLE_BASE_URL", running.url)
        monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "a-token")
        yield running


def quiet(_: str) -> None:
    pass


def test_a_fetched_snapshot_is_the_one_that_was_pushed(server: BucketServer, tmp_path: Path) -> None:
    papers, _, manifest = built(tmp_path / "here", 60)
    bundle = sources.push_snapshot(tmp_path / "here", "gs://shelf/snapshot", None, quiet)
    sources.fetch_snapshot(tmp_path / "there", f"gs://shelf/snapshot@{bundle.digest}", quiet)
    directory = SnapshotDirectory(tmp_path / "there")
    assert directory.current() == manifest.id
    assert verify_snapshot(directory.path(manifest.id)) == []
    query = hashed(papers[7].title)
    found = []
    for data in (tmp_path / "here", tmp_path / "there"):
        snapshot = opened(data, manifest)
        found.append(snapshot.vectors.search(query, 5))
        snapshot.close()
    assert np.array_equal(found[0].rows, found[1].rows)
    assert len(found[0].rows) == 5


def test_a_damaged_snapshot_is_not_pushed(server: BucketServer, tmp_path: Path) -> None:
    _, _, manifest = built(tmp_path / "here", 30)
    file = tmp_path / "here/snapshots" / manifest.id / "vectors.faiss"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BucketError, match=r"vectors\.faiss"):
        sources.push_snapshot(tmp_path / "here", "gs://shelf/snapshot", None, quiet)
    assert server.objects == {}


def test_a_damaged_object_leaves_the_snapshot_that_serves(server: BucketServer, tmp_path: Path) -> None:
    _, _, first = built(tmp_path / "first", 30)
    _, _, second = built(tmp_path / "second", 31)
    sources.push_snapshot(tmp_path / "first", "gs://shelf/snapshot", None, quiet)
    sources.fetch_snapshot(tmp_path / "there", "gs://shelf/snapshot", quiet)
    bundle = sources.push_snapshot(tmp_path / "second", "gs://shelf/snapshot", None, quiet)
    record = bundle.files["snapshot/vectors.faiss"]
    server.objects[f"shelf/snapshot/files/{record.sha256}"] = bytes(record.size)
    with pytest.raises(BucketError, match=r"snapshot/vectors\.faiss\) is damaged: its digest is another"):
        sources.fetch_snapshot(tmp_path / "there", "gs://shelf/snapshot", quiet)
    directory = SnapshotDirectory(tmp_path / "there")
    assert (directory.current(), directory.ids()) == (first.id, [first.id])
    assert second.id not in directory.ids()
