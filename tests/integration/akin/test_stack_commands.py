"""`akin up`, `down` and `status` at the same time, in any order and after anything: with a stand-in for Triton.

The supervisor, the service and the page are the real ones; the service has nothing to search.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from akin.stack.leftovers import find_marked
from akin.stack.lifecycle import is_whole
from akin.stack.record import find_running_stack
from akin.stack.shared_memory import region_prefix
from akin.stack.status import stack_as_json
from akin.stack_settings import ROOT, Settings
from tests.conftest import AKIN, environment_for

pytestmark = pytest.mark.integration


class Local:
    """A stack in a folder of its own."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.behaviour = folder / "triton" / "behaviour"
        program = folder / "triton" / "bin" / "tritonserver"
        program.parent.mkdir(parents=True)
        shutil.copy(ROOT / "tests/data/stand_in_triton.py", program)
        program.write_text(program.read_text().replace("/usr/bin/env python3", sys.executable, 1))
        program.chmod(0o755)
        model = folder / "models" / "text_encoder"
        (model / "1").mkdir(parents=True)
        (model / "1" / "manifest.json").write_text(json.dumps({"digest": "a" * 64}))
        (model / "PROMOTED").write_text("1\n")
        shutil.copy(ROOT / "model_repository/text_encoder/config.pbtxt", model)
        own = {"AKIN_TRITON_HOME": str(folder / "triton"), **more}
        self.environment = environment_for(folder / "data", folder / "models") | own
        self.settings = Settings.read(self.environment)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [AKIN, *arguments], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def akin(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.begin(*arguments)
        output, said = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, output, said)

    def status(self) -> dict[str, Any]:
        stack = find_running_stack(self.settings)
        return stack_as_json(stack, whole=stack is not None and is_whole(stack))

    def pids(self) -> dict[str, int]:
        return {each["name"]: each["pid"] for each in self.status()["processes"] if each["alive"]}

    def left(self) -> list[str]:
        """Return the remains of the stack: processes, shared memory, files of its run folder."""
        regions = Path("/dev/shm").glob(f"{region_prefix(self.settings.run, self.settings.triton_grpc_port)}*")
        files = self.settings.run.iterdir() if self.settings.run.is_dir() else iter(())
        return [*(child.name for child in find_marked(self.settings.run)), *map(str, regions), *map(str, files)]

    def kill(self, *names: str) -> None:
        found = self.status()
        ids = {**{each["name"]: each["pid"] for each in found["processes"]}, "supervisor": found["supervisor"]["pid"]}
        for name in names:
            os.kill(ids[name], signal.SIGKILL)

    def until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not reached():
            assert time.monotonic() < deadline, self.akin("status").stdout
            time.sleep(0.05)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    made = Local(tmp_path)
    yield made
    made.akin("down")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """Start a stack on its own addresses, with a proxy in the environment that does not answer."""
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), nowhere)
    hosts = {"AKIN_SERVICE_HOST": "127.0.0.2", "AKIN_UI_HOST": "0.0.0.0"}
    made = Local(tmp_path_factory.mktemp("shared"), NO_PROXY="", no_proxy="", **proxies, **hosts)
    done = made.akin("up")
    assert done.returncode == 0, done.stderr
    yield made
    made.akin("down")
    assert made.left() == []


def test_a_stack_listens_on_the_addresses_of_its_settings_and_reports_them(shared: Local) -> None:
    settings, found = shared.settings, shared.status()
    assert found["running"]
    assert found["service"] == f"http://127.0.0.2:{settings.service_port}"
    assert found["page"] == f"http://127.0.0.1:{settings.ui_port}"
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{found['service']}/health/live").status_code == 200
        assert client.get(found["page"]).status_code == 200
    # The service itself answers that it has no snapshot: the request did not go to the proxy.
    done = shared.akin("search", "graphs")
    assert done.returncode == 7
    assert "no service answers" not in done.stderr


def test_a_killed_supervisor_is_reported_and_the_next_one_takes_over_the_parts(shared: Local) -> None:
    before = shared.pids()
    shared.kill("supervisor")
    shared.until(lambda: not shared.status()["supervisor"]["alive"])
    found = shared.akin("status")
    assert found.returncode == 0
    assert "supervisor   stopped: the parts continue" in found.stdout
    done = shared.akin("up")
    assert done.returncode == 0, done.stderr
    assert "a new one takes over the running parts" in done.stderr
    assert shared.pids() == before
    assert shared.status()["supervisor"]["alive"]


def test_up_starts_only_the_parts_that_ended_without_a_supervisor(shared: Local) -> None:
    before = shared.pids()
    shared.kill("supervisor", "the service")
    done = shared.akin("up")
    assert done.returncode == 0, done.stderr
    assert "the service had stopped" in done.stderr
    after = shared.pids()
    assert {name for name in after if after[name] != before[name]} == {"the service"}
    assert shared.status()["service"] == f"http://127.0.0.2:{shared.settings.service_port}"


def test_a_part_that_cannot_start_is_given_up_until_the_next_up(shared: Local) -> None:
    before = shared.pids()
    shared.behaviour.write_text("die")
    shared.kill("Triton")
    shared.until(lambda: any(each["failures"] > 2 for each in shared.status()["processes"]))
    done = shared.akin("up")
    assert done.returncode == 5
    assert "the stand-in was told to die" in done.stderr
    assert "The other parts continue" in done.stderr
    found = shared.akin("status")
    assert found.returncode == 1
    # It is tried again and again: between two tries it waits.
    assert re.search(r"Triton +(restarting|starting) ", found.stdout)
    assert "the stand-in was told to die" in found.stdout
    shared.behaviour.unlink()
    done = shared.akin("up")
    assert done.returncode == 0, done.stderr
    after = shared.pids()
    assert {name for name in after if after[name] != before[name]} == {"Triton"}


def test_a_first_start_that_fails_reports_the_reason_and_leaves_nothing(local: Local) -> None:
    local.behaviour.write_text("refuse")
    done = local.akin("up")
    assert done.returncode == 4
    assert "Triton refuses encoder version 1: " in done.stderr
    assert "no such model" in done.stderr
    assert local.left() == []


def test_two_starts_at_once_make_one_stack_and_one_stop_removes_all_of_it(local: Local) -> None:
    commands = [local.begin("up") for _ in range(2)]
    said = [command.communicate(timeout=120)[1] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], said
    assert len(local.pids()) == 3
    lines = (local.settings.logs / "supervisor.log").read_text().splitlines()
    assert len([line for line in lines if "Triton is ready" in line]) == 1
    # The stand-in's Python process continues without it, and its shared memory stays.
    local.kill("supervisor", "Triton")
    local.until(lambda: "Triton" not in local.pids())
    assert any("stand-in" in name for name in local.left())
    assert local.akin("down").returncode == 0
    assert local.left() == []
    assert local.akin("status").returncode == 1


@pytest.mark.parametrize("part", ["Triton", "the page"])
def test_a_stop_in_the_middle_of_a_start_leaves_nothing(local: Local, part: str) -> None:
    command = local.begin("up")
    local.until(lambda: started(local, part))
    # The part waits, so that the start cannot end before the stop comes.
    child = local.pids()[part]
    os.kill(child, signal.SIGSTOP)
    stop = local.begin("down")
    local.until(lambda: command.poll() is not None or has_waiting_signal(child))
    os.kill(child, signal.SIGCONT)
    stop.communicate(timeout=120)
    assert stop.returncode == 0
    said = command.communicate(timeout=60)[1]
    assert command.returncode == 5, said
    assert "was stopped by another command" in said
    assert local.left() == []


def test_ctrl_c_in_the_middle_of_a_start_leaves_nothing(local: Local) -> None:
    command = local.begin("up")
    local.until(lambda: started(local, "the service"))
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=60)
    assert command.returncode != 0
    assert local.left() == []


def test_a_part_that_is_being_restarted_stays_stopped_after_down(local: Local) -> None:
    assert local.akin("up").returncode == 0
    local.behaviour.write_text("die")
    local.kill("Triton", "the page")
    time.sleep(0.3)
    assert local.akin("down").returncode == 0
    local.behaviour.unlink()
    time.sleep(1.5)
    assert local.left() == []


def has_waiting_signal(process: int) -> bool:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(fields["ShdPnd"], 16) != 0


def started(local: Local, part: str) -> bool:
    with contextlib.suppress(FileNotFoundError, ValueError):
        record = json.loads((local.settings.run / "stack.json").read_text())
        return any(child["name"] == part for child in record["children"])
    return False
