"""A snapshot that is open in a process is not removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from retrieval_service.adapters import faiss_index
from retrieval_service.corpus import SnapshotDirectory, open_snapshot, verify_snapshot
from retrieval_service.corpus import directory as directory_module
from retrieval_service.corpus.snapshot_lock import SnapshotLock
from retrieval_service.errors import SnapshotError, SnapshotInUse, SnapshotInvalid, SnapshotNotFound
from tests.integration.service import client_of


def test_a_snapshot_that_a_service_still_serves_is_not_removed(tmp_path: Path, kit: Any) -> None:
    snapshots, encoder = SnapshotDirectory(tmp_path), kit.Encoder()
    old = kit.build(kit.papers(30), encoder, tmp_path).id
    with client_of(tmp_path, encoder, watch_seconds=30) as client:
        before = sorted(snapshots.path(old).rglob("*"))
        # CURRENT names another snapshot now, and the service has not read it yet.
        for papers in (31, 32, 33):
            new = kit.build(kit.papers(papers), encoder, tmp_path).id
        in_use: list[str] = []
        assert len(snapshots.prune(1, in_use=in_use.append)) == 2
        assert in_use == [old]
        assert snapshots.ids() == [new, old]
        with pytest.raises(SnapshotInUse, match="is in use"):
            snapshots.remove(old)
        answer = client.get("/search", params={"query": kit.papers(1)[0].title, "k": 3}).json()
        assert len(answer["results"]) == 3
        assert sorted(snapshots.path(old).rglob("*")) == before
        assert verify_snapshot(snapshots.path(old)) == []
    assert snapshots.prune(1) == [old]
    assert snapshots.ids() == [new]


def test_an_open_snapshot_is_locked_until_it_is_closed(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots, encoder = SnapshotDirectory(tmp_path), kit.Encoder()
    old = kit.build(kit.papers(20), encoder, tmp_path).id
    kit.build(kit.papers(21), encoder, tmp_path)
    one, other = open_snapshot(snapshots.path(old)), open_snapshot(snapshots.path(old))
    for snapshot in (one, other):
        assert snapshots.prune(1) == []
        snapshot.close()
    # A snapshot that cannot be opened is not locked either.
    with monkeypatch.context() as broken:
        broken.setattr(faiss_index.faiss, "read_index", lambda *_: (_ for _ in ()).throw(RuntimeError("no index")))
        with pytest.raises(SnapshotInvalid):
            open_snapshot(snapshots.path(old))
    assert snapshots.prune(1) == [old]
    with pytest.raises(SnapshotNotFound):
        open_snapshot(snapshots.root / old)


def test_a_lock_ends_with_its_object_or_its_process(tmp_path: Path) -> None:
    directory = tmp_path / "snapshots" / "one"
    directory.mkdir(parents=True)
    snapshots = SnapshotDirectory(tmp_path)
    hold: SnapshotLock | None = SnapshotLock(directory)
    with pytest.raises(SnapshotError):
        snapshots.remove("one")
    hold = None
    assert hold is None
    script = "import sys; from pathlib import Path; from retrieval_service.corpus.snapshot_lock import SnapshotLock;"
    script += "held = SnapshotLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(SnapshotInUse):
            snapshots.remove("one")
        process.kill()
    snapshots.remove("one")
    assert snapshots.ids() == []


def test_a_read_only_directory_can_be_locked(tmp_path: Path) -> None:
    directory = tmp_path / "snapshots" / "one"
    directory.mkdir(parents=True)
    for path in (directory, directory.parent):
        os.chmod(path, 0o555)
    try:
        hold = SnapshotLock(directory)
        hold.close()
        hold.close()
        assert list(directory.iterdir()) == []
    finally:
        os.chmod(directory.parent, 0o755)


def test_a_snapshot_is_not_pruned_while_it_becomes_live(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots, encoder = SnapshotDirectory(tmp_path), kit.Encoder()
    old = kit.build(kit.papers(20), encoder, tmp_path).id
    kit.build(kit.papers(21), encoder, tmp_path)
    replace, removed = directory_module.replace_file, list[str]()

    def pruned_first(path: Path, content: bytes) -> None:
        removed.extend(snapshots.prune(1))
        replace(path, content)

    monkeypatch.setattr(directory_module, "replace_file", pruned_first)
    snapshots.use(old)
    assert (removed, snapshots.current()) == ([], old)
    assert snapshots.path(old).is_dir()
