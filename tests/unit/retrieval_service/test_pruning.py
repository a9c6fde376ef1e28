"""Test that pruning removes what killed commands have left, and nothing that a running one needs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord
from tests.unit.published import published_manifest


def test_pruning_removes_what_killed_commands_have_left(tmp_path: Path) -> None:
    snapshots = SnapshotDirectory(tmp_path)
    published_manifest(tmp_path, "s1", EncoderRecord(1, "e" * 64, 8))
    snapshots.use("s1")
    (snapshots.root / ".building-s0/lexical").mkdir(parents=True)
    for name, hours in (("old", 2), ("new", 0)):
        left = snapshots.root / f".CURRENT.{name}"
        left.write_text("s0\n")
        os.utime(left, (time.time() - hours * 3600 - 10,) * 2)
    assert snapshots.prune(1) == []
    # The newer one may be of a command that is changing the live snapshot now.
    assert sorted(os.listdir(snapshots.root)) == [".CURRENT.new", ".lock", "CURRENT", "s1"]
