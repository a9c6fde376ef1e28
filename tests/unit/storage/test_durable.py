from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from akin.storage import durable
from akin.storage.durable import make_folder, publish_file, replace_file, replace_folder, sync_folder


def test_new_content_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "CURRENT"
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["CURRENT"]


def test_a_write_that_fails_leaves_the_old_content_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "CURRENT"
    replace_file(path, b"one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"two")
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["CURRENT"]


@pytest.fixture
def aside(tmp_path: Path) -> Path:
    folder = tmp_path / ".making"
    (folder / "in").mkdir(parents=True)
    (folder / "in/file").write_text("new")
    return folder


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_takes_the_place_of_another_one(
    tmp_path: Path, aside: Path, exists: bool, exchanged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanged:
        monkeypatch.setattr(durable, "_exchange", lambda *_: False)
    if exists:
        (tmp_path / "map/other").mkdir(parents=True)
        (tmp_path / ".making-old/of-a-kill").mkdir(parents=True)
    replace_folder(aside, tmp_path / "map")
    assert os.listdir(tmp_path) == ["map"]
    assert (tmp_path / "map/in/file").read_text() == "new"
    assert os.listdir(tmp_path / "map") == ["in"]


def test_the_old_folder_stays_if_the_new_one_cannot_be_renamed(tmp_path: Path) -> None:
    (tmp_path / "map").mkdir()
    (tmp_path / "map/file").write_text("old")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "missing", tmp_path / "map")
    assert os.listdir(tmp_path) == ["map"]
    assert (tmp_path / "map/file").read_text() == "old"


def test_a_folder_is_synced_with_all_that_it_has(aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = list[Path]()
    monkeypatch.setattr(durable, "sync", synced.append)
    sync_folder(aside)
    assert set(synced) == {aside, aside / "in", aside / "in/file"}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record, in their order, syncs by the name of what is synced, and new names."""
    done: list[str] = []

    def fsync(handle: int, real: Any = os.fsync) -> None:
        done.append(f"sync {Path(os.readlink(f'/proc/self/fd/{handle}')).name}")
        real(handle)

    def renamed(old: Any, new: Any, real: Any = os.replace) -> None:
        done.append(f"name {Path(new).name}")
        real(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", renamed)
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the path of a handle")
def test_content_is_synced_before_its_name_and_the_folder_behind_it(tmp_path: Path, steps: list[str]) -> None:
    (tmp_path / "in").mkdir()
    replace_file(tmp_path / "in/CURRENT", b"one")
    assert (steps[0].startswith("sync .CURRENT."), steps[1:]) == (True, ["name CURRENT", "sync in"])
    (tmp_path / "in/aside").write_bytes(b"two")
    steps.clear()
    publish_file(tmp_path / "in/aside", tmp_path / "in/CURRENT")
    assert steps == ["sync aside", "name CURRENT", "sync in"]
    assert os.listdir(tmp_path / "in") == ["CURRENT"]
    assert (tmp_path / "in/CURRENT").read_bytes() == b"two"


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the path of a handle")
@pytest.mark.parametrize("exchanged", [False, True])
def test_a_folder_is_synced_before_it_takes_its_place_and_its_parent_behind_it(
    tmp_path: Path, steps: list[str], exchanged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanged:
        monkeypatch.setattr(durable, "_exchange", lambda *_: False)
    for name in ("parent/aside", "parent/map"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "parent/aside/file").write_text("new")
    replace_folder(tmp_path / "parent/aside", tmp_path / "parent/map")
    assert steps == ["sync file", "sync aside", "sync parent"]
    assert os.listdir(tmp_path / "parent") == ["map"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the path of a handle")
def test_each_new_folder_is_synced_in_its_parent(tmp_path: Path, steps: list[str]) -> None:
    make_folder(tmp_path / "a/b/c", 0o700)
    assert sorted(steps) == sorted(["sync b", "sync a", f"sync {tmp_path.name}"])
    assert stat.S_IMODE((tmp_path / "a/b/c").stat().st_mode) == 0o700
    steps.clear()
    make_folder(tmp_path / "a/b/c")
    assert steps == []


def test_a_new_file_may_be_read_by_others_and_a_folder_is_as_the_system_makes_it(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", b"")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644
    make_folder(tmp_path / "ours")
    (tmp_path / "own").mkdir()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "own").stat().st_mode


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges names")
def test_two_folders_exchange_their_names_also_by_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "other"):
        (tmp_path / name / f"was-{name}").mkdir(parents=True)
    assert durable._exchange(Path("one"), Path("other"))
    assert (os.listdir("one"), os.listdir("other")) == (["was-other"], ["was-one"])
    assert not durable._exchange(Path("one"), Path("missing"))
    assert not Path("missing").exists()


def test_links_are_not_followed_by_a_sync(aside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (aside / "link").symlink_to(aside / "nowhere")
    synced = list[Path]()
    monkeypatch.setattr(durable, "sync", synced.append)
    sync_folder(aside)
    assert aside / "link" not in synced
