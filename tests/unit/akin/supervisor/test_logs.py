"""Test the rotation of logs that their writers keep open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from akin.stack.processes import start, stop, wait_until
from akin.stack.supervisor.logs import rotate, rotate_all


def test_a_full_log_is_rotated_and_the_oldest_parts_are_removed(tmp_path: Path) -> None:
    log = tmp_path / "triton.log"
    for number in range(1, 8):
        with log.open("a") as writer:
            writer.write(f"{number}\n" * 10)
        assert rotate_all(tmp_path, largest=20, kept=3) == [log]
        assert log.read_text() == ""
    kept = {path.name: path.read_text()[0] for path in tmp_path.iterdir() if path != log}
    assert kept == {"triton.log.1": "7", "triton.log.2": "6", "triton.log.3": "5"}


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "page.log").write_text("a line\n")
    assert rotate_all(tmp_path, largest=100) == []
    assert [path.name for path in tmp_path.iterdir()] == ["page.log"]


def test_a_running_program_continues_to_write_into_the_emptied_log(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    code = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"
    with log.open("ab") as output:
        part = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=output, text=True)
    assert part.stdin is not None
    with part:
        part.stdin.write("before\n")
        part.stdin.flush()
        while log.stat().st_size == 0:
            os.sched_yield()
        rotate(log)
        part.stdin.write("after\n")
    assert log.read_bytes() == b"after\n"
    assert (tmp_path / "part.log.1").read_bytes() == b"before\n"


def test_lines_written_by_a_child_of_the_stack_survive_many_rotations(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    code = "import time\nfor n in range(300): print(n, flush=True); time.sleep(0.001)\ntime.sleep(60)"
    child = start("part", [sys.executable, "-c", code], os.environ, log)
    seen: list[int] = []
    try:
        while 299 not in seen:
            wait_until(lambda: log.stat().st_size > 0, child, 10)
            rotate(log)
            seen += map(int, (tmp_path / "part.log.1").read_text().split())
    finally:
        stop([child])
    assert seen == sorted(set(seen))
    # A line written between the last read and the emptying may be lost.
    assert len(seen) >= 290


def test_a_log_that_cannot_be_copied_is_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "page.log"
    log.write_text("a line\n")
    (tmp_path / "page.log.1").write_text("an earlier line\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("akin.stack.supervisor.logs.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        rotate(log)
    assert log.read_text() == "a line\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.log", "page.log.1"]
