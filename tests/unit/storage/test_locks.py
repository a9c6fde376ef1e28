from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from akin.errors import StackError
from akin.storage.locks import hold_lock


def test_a_held_lock_raises_the_given_error(tmp_path: Path) -> None:
    with (
        hold_lock(tmp_path / "lock", 0, StackError("busy")),
        pytest.raises(StackError, match="busy"),
        hold_lock(tmp_path / "lock", 0, StackError("busy")),
    ):
        pass


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            hold_lock(tmp_path / "run/lock", 0, StackError("busy")),
            (tmp_path / "run/lock").open() as other,
            pytest.raises(BlockingIOError),
        ):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_waiting_process_gets_the_lock_although_its_file_was_deleted(tmp_path: Path) -> None:
    got, path = threading.Event(), tmp_path / "lock"

    def wait() -> None:
        with hold_lock(path, 10, StackError("busy")):
            got.set()

    with hold_lock(path, 0, StackError("busy")):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not got.wait(0.1)
        path.unlink()
    thread.join(10)
    assert got.is_set()


@pytest.mark.parametrize(
    ("written", "told"),
    [(None, os.getpid()), ("", None), ("no number", None)],
    ids=["a process", "nothing", "no number"],
)
def test_who_waits_is_told_the_holder_once_and_goes_on(tmp_path: Path, written: str | None, told: int | None) -> None:
    path, holders, got = tmp_path / "lock", list[int | None](), threading.Event()

    def wait() -> None:
        with hold_lock(path, 10, StackError("busy"), holders.append):
            got.set()

    with hold_lock(path, 0, StackError("busy"), holders.append):
        assert holders == []
        if written is not None:
            path.write_text(written)
        thread = threading.Thread(target=wait)
        thread.start()
        assert not got.wait(0.2)
    thread.join(10)
    assert got.is_set()
    assert holders == [told]
    assert path.read_text() == ""


def test_a_lock_on_a_deleted_file_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = tmp_path / "lock", fcntl.flock
    deleted: list[int] = []

    def delete_first(descriptor: int, operation: int) -> None:
        if not deleted:
            deleted.append(descriptor)
            path.unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", delete_first)
    with hold_lock(path, 5, StackError("busy")), pytest.raises(StackError), hold_lock(path, 0, StackError("busy")):
        pass
