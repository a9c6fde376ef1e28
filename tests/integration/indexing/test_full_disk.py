"""Fill the disk at each file: the error is a SnapshotError, no partial file stays, and the live snapshot is whole.

The system's limit on a file's size stands in for the disk: a write that would pass it fails as on a full one.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from akin.indexing.options import BuildOptions
from retrieval_service.corpus import Manifest, SnapshotDirectory, verify_snapshot
from retrieval_service.errors import SnapshotError
from tests.integration import snapshots

Make = Callable[[Any, Any, Path], Manifest]


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Limit every file to so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def build(kit: Any, encoder: Any, data: Path) -> Manifest:
    made: Manifest = kit.build(kit.papers(1500), encoder, data, exact_below=1000)
    return made


def update(kit: Any, encoder: Any, data: Path) -> Manifest:
    return snapshots.update(kit.papers(1500), encoder, data, options=BuildOptions(exact_below=1000))


def tune(kit: Any, encoder: Any, data: Path) -> Manifest:
    return snapshots.tune(encoder, data, "IVF8,SQ8", recall=0.8)


@pytest.mark.parametrize(
    ("make", "embedded"),
    [(build, False), (build, True), (update, True), (tune, True)],
    ids=["embedding", "build", "update", "tune"],
)
def test_a_disk_that_fills(tmp_path: Path, kit: Any, make: Make, embedded: bool) -> None:
    encoder, directory = kit.Encoder(), SnapshotDirectory(tmp_path)
    if embedded:
        unused = kit.build(kit.papers(1500), encoder, tmp_path)
    before = kit.build(kit.papers(1100), encoder, tmp_path)
    if embedded:
        directory.remove(unused.id)
    largest = max(file.bytes for file in before.files.values())
    said = set()
    for size in (16, 3_000, 40_000, 100_000, largest // 2):
        with room_for(size), pytest.raises(SnapshotError) as caught:
            make(kit, encoder, tmp_path)
        said.add(str(caught.value))
        assert directory.ids() == [before.id]
        assert directory.current() == before.id
        assert not list(directory.root.glob(".building*"))
    assert all("could not be written" in words for words in said)
    assert verify_snapshot(directory.path(before.id)) == []
    after = make(kit, encoder, tmp_path)
    assert verify_snapshot(directory.path(after.id)) == []
    assert after.papers == (1100 if make is tune else 1500)
