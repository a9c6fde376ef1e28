"""Names of snapshots come from command lines and files: none leads out of its folder, none removes what is live."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.errors import SnapshotInUse, SnapshotInvalid, SnapshotNotFound

ONE, TWO = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb"


@pytest.fixture
def snapshots(tmp_path: Path) -> SnapshotDirectory:
    found = SnapshotDirectory(tmp_path / "data")
    for name in (ONE, TWO, ".building-x"):
        (found.root / name).mkdir(parents=True)
    (tmp_path / "data/other").mkdir()
    return found


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../other", f"../snapshots/{ONE}", "/", f"{ONE}/", ".building-x", "nothing", f"./{ONE}"]
)
def test_a_name_leads_nowhere_else(snapshots: SnapshotDirectory, name: str) -> None:
    for act in (snapshots.path, snapshots.use, snapshots.remove):
        with pytest.raises(SnapshotNotFound, match=f"Published snapshots: {TWO}, {ONE}."):
            act(name)
    assert (snapshots.root.parent / "other").is_dir()
    assert (snapshots.root / ".building-x").is_dir()


def test_published_snapshots_are_listed_the_newest_first(snapshots: SnapshotDirectory, tmp_path: Path) -> None:
    assert snapshots.ids() == [TWO, ONE]
    assert snapshots.path(ONE) == snapshots.root / ONE
    assert SnapshotDirectory(tmp_path / "nothing").ids() == []
    with pytest.raises(SnapshotNotFound, match="Published snapshots: none"):
        SnapshotDirectory(tmp_path / "nothing").path(ONE)


def test_the_live_snapshot_is_not_removed_and_another_is(snapshots: SnapshotDirectory) -> None:
    snapshots.current_file.write_text(f"{ONE}\n")
    with pytest.raises(SnapshotInUse, match="is the live one"):
        snapshots.remove(ONE)
    snapshots.remove(TWO)
    assert snapshots.ids() == [ONE]
    assert sorted(path.name for path in snapshots.root.iterdir() if path.is_dir()) == [".building-x", ONE]


def test_a_snapshot_without_a_manifest_does_not_become_live(snapshots: SnapshotDirectory) -> None:
    with pytest.raises(SnapshotInvalid):
        snapshots.use(ONE)
    assert snapshots.current() is None


def test_a_build_that_is_published_gets_its_name_and_leftovers_go(snapshots: SnapshotDirectory) -> None:
    with snapshots.new_build() as building:
        assert not (snapshots.root / ".building-x").exists()
        (building / "file").write_text("content")
        published = snapshots.publish(building)
    assert (published / "file").read_text() == "content"
    assert published.name in snapshots.ids()
    assert len(snapshots.ids()) == 3
    assert [path.name for path in snapshots.root.glob(".building-*")] == []
