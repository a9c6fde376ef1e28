from __future__ import annotations

import os
from pathlib import Path

import pytest

from akin.storage import durable
from akin.storage.durable import replace_file, replace_folder, sync_folder


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
