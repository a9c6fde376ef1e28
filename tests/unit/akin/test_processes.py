"""Test child processes with small real ones."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from akin.errors import StackError
from akin.stack.processes import (
    Child,
    await_end,
    await_group_end,
    free_ports,
    group_of,
    port_is_free,
    start,
    start_time,
    stop,
    wait_until,
)
from tests.servers import within

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
"""A program that ignores SIGTERM from the moment it has printed `deaf`."""


def test_a_child_is_stopped_and_reaped(tmp_path: Path) -> None:
    child = start("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], os.environ, tmp_path / "log")
    assert child.alive
    stop([child])
    assert not child.alive


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = start("deaf", [sys.executable, "-c", DEAF], os.environ, tmp_path / "log")
    wait_until(lambda: "deaf" in (tmp_path / "log").read_text(), child, 10)
    stop([child], seconds=0.2)
    assert not child.alive


def test_children_of_a_stopped_child_are_killed(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {deaf!r}]); import time; time.sleep(60)"
    child = start("parent", [sys.executable, "-c", code], os.environ, tmp_path / "log")
    wait_until(lambda: "deaf" in (tmp_path / "log").read_text(), child, 10)
    stop([child])
    within(10, "the group is empty", lambda: not group_has_members(child.pid))


def test_children_of_a_killed_child_are_killed(tmp_path: Path) -> None:
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {DEAF!r}]); time.sleep(60)"
    child = start("parent", [sys.executable, "-c", code], os.environ, tmp_path / "log")
    wait_until(lambda: "deaf" in (tmp_path / "log").read_text(), child, 10)
    os.kill(child.pid, signal.SIGKILL)
    await_end([child], 10)
    assert group_of(child)
    stop([child])
    await_group_end(child, 10)
    assert group_of(child) == []


def test_a_child_that_lost_the_first_sigterm_gets_another(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "leave = lambda *_: (print('left'), sys.exit())\n"
        "signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, leave))\n"
        "print('up', flush=True)\n"
        "while True: time.sleep(60)"
    )
    child = start("dazed", [sys.executable, "-c", code], os.environ, tmp_path / "log")
    wait_until(lambda: "up" in (tmp_path / "log").read_text(), child, 10)
    stop([child], seconds=3)
    assert (tmp_path / "log").read_text() == "up\nleft\n"


def group_has_members(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_ends_while_starting_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = start("broken", [sys.executable, "-c", "raise SystemExit('no such model')"], os.environ, tmp_path / "log")
    with pytest.raises(StackError, match=r"(?s)broken stopped while starting.*no such model"):
        wait_until(lambda: False, child, 10)


def test_a_child_that_never_gets_ready_is_reported(tmp_path: Path) -> None:
    child = start("slow", [sys.executable, "-c", "import time; time.sleep(60)"], os.environ, tmp_path / "log")
    with pytest.raises(StackError, match="slow was not ready after 0 s"):
        wait_until(lambda: False, child, 0.1)
    stop([child])


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"nothing-here: No such file"):
        start("nothing", [tmp_path / "nothing-here"], os.environ, tmp_path / "log")


def test_a_start_is_the_one_that_the_kernel_records(tmp_path: Path) -> None:
    child = start("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], os.environ, tmp_path / "log")
    ticks = Path(f"/proc/{child.pid}/stat").read_text().rpartition(") ")[2].split()[19]
    assert child.started == int(ticks), "records that an earlier release wrote hold this number"
    stop([child])
    assert start_time(child.pid) is None


def test_another_process_with_the_same_id_is_not_stopped(tmp_path: Path) -> None:
    child = start("ours", [sys.executable, "-c", "import time; time.sleep(60)"], os.environ, tmp_path / "log")
    stranger = dataclasses.replace(child, started=child.started + 1)
    assert not stranger.alive
    stop([stranger])
    assert child.alive
    stop([child])


def test_a_tied_child_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from akin.stack.processes import start\n"
        "sleeper = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "child = start('tied', sleeper, os.environ, Path(sys.argv[1]), tied=True)\n"
        "print(child.pid, child.started, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, started = map(int, parent.stdout.readline().split())
    child = Child("tied", pid, started, "")
    assert child.alive
    parent.kill()
    parent.wait()
    parent.stdout.close()
    within(10, "the child has ended", lambda: not child.alive)


def test_ports_that_are_taken_and_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not port_is_free(listener.getsockname()[1])
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(port_is_free(port) for port in ports)
    assert not set(ports) & set(free_ports(5))
    assert max(ports) < 32_768
