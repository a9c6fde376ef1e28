"""Test the search for leftovers of a stack with small real processes and files."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from akin.stack import shared_memory
from akin.stack.leftovers import find_marked, kill_marked, mark_variables
from akin.stack.processes import Child, start, stop, wait_until
from akin.stack.shared_memory import region_prefix, remove_regions

ORPHANING = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"], start_new_session=True)
time.sleep(60)
"""

MAPPING = """
import mmap, sys, time
with open(sys.argv[1], "r+b") as file:
    memory = mmap.mmap(file.fileno(), 0)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shm"
    folder.mkdir()
    monkeypatch.setattr(shared_memory, "SHARED_MEMORY", folder)
    return folder


@pytest.fixture
def parent(run: Path) -> Iterator[Child]:
    log = run / "log"
    child = start("parent", [sys.executable, "-c", ORPHANING], {**os.environ, **mark_variables(run)}, log)
    wait_until(lambda: "up" in log.read_text(), child, 20)
    yield child
    stop([child])


def test_an_orphan_is_found_by_its_mark_and_killed(run: Path, parent: Child) -> None:
    os.kill(parent.pid, signal.SIGKILL)
    # It leads its own session: neither its parent's group nor a record contains it.
    (orphan,) = [child for child in find_marked(run) if child.pid != parent.pid]
    assert orphan.alive
    assert orphan.pid in [child.pid for child in kill_marked(run)]
    assert not orphan.alive
    assert find_marked(run) == []


def test_processes_of_another_stack_are_left_alone(run: Path, parent: Child, tmp_path: Path) -> None:
    assert kill_marked(tmp_path / "another") == []
    assert kill_marked(run.parent) == []
    assert parent.alive


def test_shared_memory_is_removed_by_the_name_of_its_stack(run: Path, memory: Path, tmp_path: Path) -> None:
    ours, command = f"{region_prefix(run, 8001)}aa", f"{region_prefix(run, 9001)}bb"
    others = ["triton_python_backend_shm_region_58b40ab9", f"{region_prefix(tmp_path / 'another', 8001)}cc", "sem.x"]
    for name in (ours, command, *others):
        (memory / name).touch()
    assert remove_regions(run, 8001) == [ours]
    assert remove_regions(run) == [command]
    assert sorted(path.name for path in memory.iterdir()) == sorted(others)


def test_shared_memory_that_a_running_process_uses_stays(run: Path, memory: Path, tmp_path: Path) -> None:
    path = memory / f"{region_prefix(run, 9001)}aa"
    path.write_bytes(b"x" * 4096)
    child = start("user", [sys.executable, "-c", MAPPING, str(path)], os.environ, tmp_path / "log")
    try:
        wait_until(lambda: "up" in (tmp_path / "log").read_text(), child, 20)
        assert remove_regions(run) == []
    finally:
        stop([child])
    assert remove_regions(run) == [path.name]


def test_two_paths_of_one_folder_are_the_same_stack(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run)
    assert mark_variables(tmp_path / "link") == mark_variables(run)
    assert region_prefix(tmp_path / "link", 1) == region_prefix(run, 1)
