"""Cut the power at each step of building, updating, tuning and pruning: what is published is whole, and live or not.

The recorded steps also stand for kills: one of the states after each step is that in which all writes so far are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from akin.indexing.references.importing import import_references
from retrieval_service.corpus import SnapshotDirectory, verify_snapshot
from retrieval_service.corpus.manifest import read_manifest
from tests.chaos.power_cut import Disk, PowerCuts
from tests.integration import snapshots

PAPERS = 24


def live(data: Path) -> tuple[int, ...]:
    """Return the numbers of papers, references and measured points that are live; every published snapshot is whole."""
    directory = SnapshotDirectory(data)
    for name in directory.ids():
        assert verify_snapshot(directory.path(name)) == []
    current = directory.current()
    if current is None:
        return ()
    manifest = read_manifest(directory.path(current))
    references = manifest.references.pairs if manifest.references else 0
    return manifest.papers, references, len(manifest.index.curve)


def published(data: Path) -> int:
    live(data)
    return len(SnapshotDirectory(data).ids())


def build(kit: Any, data: Path) -> None:
    kit.build(kit.papers(PAPERS), kit.Encoder(), data)


def update(kit: Any, data: Path) -> None:
    snapshots.update(kit.papers(PAPERS), kit.Encoder(), data)


def tune(kit: Any, data: Path) -> None:
    snapshots.tune(kit.Encoder(), data, "Flat", recall=0.8)


def cite(kit: Any, data: Path) -> None:
    one, other = kit.papers(2)
    (data.parent / "citations.tsv").write_text(f"{one.id}\t{other.id}\n")
    import_references([data.parent / "citations.tsv"], data)


def prune(_: Any, data: Path) -> None:
    SnapshotDirectory(data).prune(1)


def fewer(kit: Any, data: Path) -> None:
    kit.build(kit.papers(PAPERS - 8), kit.Encoder(), data)


def twice(kit: Any, data: Path) -> None:
    fewer(kit, data)
    fewer(kit, data)


@pytest.mark.parametrize(
    ("prepare", "act", "read"),
    [
        pytest.param(None, build, live, id="the first", marks=pytest.mark.chaos),
        pytest.param(fewer, build, live, id="build", marks=pytest.mark.chaos),
        pytest.param(fewer, update, live, id="update"),
        pytest.param(fewer, tune, live, id="tune", marks=pytest.mark.chaos),
        pytest.param(fewer, cite, live, id="references", marks=pytest.mark.chaos),
        pytest.param(twice, prune, published, id="prune"),
    ],
)
def test_a_power_cut_leaves_the_old_or_the_new_snapshot(
    tmp_path: Path, kit: Any, prepare: Callable[..., None] | None, act: Callable[..., None], read: Callable[[Path], Any]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if prepare:
        prepare(kit, data)
    old = read(data)
    disk = Disk(data)
    with disk.record():
        act(kit, data)
    new = read(data)
    assert old != new
    cuts = PowerCuts(disk, tmp_path / "cut", read, unread=".building-")
    assert cuts.broken(old, new) is None
    # Embeddings are no part of a snapshot; an index that continues another one links files that are synced already.
    needed = ("snapshots", "/lexical", "manifest.json", "catalogue.sqlite", "digests.bin", "/.CURRENT")
    assert [
        each for each in cuts.needless(old, new) if each.rpartition(".")[0].endswith(needed) or each.endswith(needed)
    ] == []
