"""Test the environment of the parts and the check of ports, without starting a part."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from akin.errors import EncoderError, StackError
from akin.registry.versions import versions
from akin.stack import launching, lifecycle
from akin.stack.processes import Child, free_ports, start, stop, wait_until
from akin.stack.record import PartState, Stack, State, find_running_stack
from akin.stack.status import stack_as_json, status_lines
from akin.stack.supervisor import parts
from akin.stack.supervisor.__main__ import Supervisor, addresses_of
from akin.stack_settings import PORTS, Settings
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord
from tests.unit.published import published_manifest


def settings_for(**more: str) -> Settings:
    return Settings.read({**dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True)), **more})


def test_the_service_gets_absolute_paths() -> None:
    settings = settings_for(AKIN_MODEL_REPOSITORY="models")
    told = launching.service_environment(settings)
    assert told["AKIN_MODEL_REPOSITORY"] == str(Path("models").absolute())
    assert told["AKIN_SERVICE_HOST"] == "127.0.0.1"


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match=r"cannot write .*file.* Set AKIN_DATA"):
        lifecycle.check_can_start(settings_for(AKIN_DATA=str(tmp_path / "file")))


def test_a_part_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "this.py").write_text("print('a stranger')")
    done = subprocess.run(launching.module_command("this"), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("The Zen of Python")


def test_a_process_can_be_started_in_another_folder(tmp_path: Path) -> None:
    log = tmp_path / "logs/one.log"
    child = start("one", ["sh", "-c", "pwd; sleep 60"], dict(os.environ), log, folder=log.parent)
    wait_until(lambda: log.read_text() == f"{log.parent}\n", child, 20)
    stop([child])


def test_the_parts_get_the_paths_of_a_proxy_and_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_TRUSTED_PROXIES", "10.0.0.7")
    settings = settings_for(AKIN_UI_ROOT_PATH="/akin/", AKIN_SERVICE_ROOT_PATH="/api")
    started: list[dict[str, str]] = []
    monkeypatch.setattr(parts, "start", lambda name, command, environment, log: started.append(environment))
    monkeypatch.setattr(parts, "await_answer", lambda *_: None)
    parts.start_service(settings, lambda _: None)
    parts.start_page(settings, lambda _: None)
    service, page = started
    assert (service["AKIN_SERVICE_ROOT_PATH"], page["AKIN_UI_ROOT_PATH"]) == ("/api", "/akin")
    assert service["AKIN_TRUSTED_PROXIES"] == page["AKIN_TRUSTED_PROXIES"] == "10.0.0.7"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0"])
def test_a_port_is_checked_on_the_address_of_its_part(host: str) -> None:
    settings = settings_for(AKIN_UI_HOST=host)
    lifecycle.check_ports(settings)
    with socket.create_server((host, settings.ui_port)), pytest.raises(StackError, match="AKIN_UI_PORT"):
        lifecycle.check_ports(settings)


def test_a_port_that_is_taken_on_another_address_only_is_free() -> None:
    settings = settings_for(AKIN_UI_HOST="127.0.0.2")
    with socket.create_server(("127.0.0.1", settings.ui_port)):
        lifecycle.check_ports(settings)


def test_a_failed_start_is_reported_with_its_class_and_the_state_of_the_other_parts() -> None:
    part = PartState("Triton", "restarting", 0.0, failures=1, reason="Triton refuses version 1", error="EncoderError")
    first = lifecycle.error_of(part, stopped=True)
    assert isinstance(first, EncoderError)
    assert str(first) == "Triton refuses version 1"
    later = lifecycle.error_of(replace(part, reason="was ended by SIGKILL", error=""), stopped=False)
    assert type(later) is StackError
    assert str(later).startswith("Triton: was ended by SIGKILL.\nThe other parts continue")


@pytest.mark.parametrize("error", ["OSError", "NoSuchError", "annotations"])
def test_a_failure_of_an_unknown_class_is_a_stack_error(error: str) -> None:
    part = PartState("the page", "restarting", 0.0, failures=1, reason="no space left", error=error)
    assert type(lifecycle.error_of(part, stopped=True)) is StackError


def test_a_running_stack_keeps_its_addresses_when_another_supervisor_takes_it_over() -> None:
    earlier = settings_for(AKIN_SERVICE_HOST="127.0.0.2", AKIN_UI_HOST="::")
    was = Stack(
        [],
        [1],
        earlier.service_url,
        earlier.ui_url,
        f"127.0.0.1:{earlier.triton_grpc_port}",
        f"127.0.0.1:{earlier.triton_http_port}",
        complete=True,
        triton_metrics=f"127.0.0.1:{earlier.triton_metrics_port}",
    )
    was = replace(was, service_metrics=f"127.0.0.3:{earlier.service_metrics_port}", page_path="/akin")
    now = addresses_of(was, settings_for(AKIN_UI_HOST="::", AKIN_SERVICE_ROOT_PATH="/api"))
    assert (now.ui_root_path, now.service_root_path) == ("/akin", "")
    assert (now.service_url, now.ui_url) == (earlier.service_url, earlier.ui_url)
    assert now.triton_grpc_port == earlier.triton_grpc_port
    assert now.triton_metrics_port == earlier.triton_metrics_port
    assert (now.service_metrics_host, now.service_metrics_port) == ("127.0.0.3", earlier.service_metrics_port)
    other = settings_for()
    assert addresses_of(replace(was, service_metrics=""), other).service_metrics_port == other.service_metrics_port


def test_a_supervisor_records_the_paths_of_a_proxy(tmp_path: Path) -> None:
    settings = settings_for(AKIN_DATA=str(tmp_path), AKIN_UI_ROOT_PATH="/akin", AKIN_SERVICE_ROOT_PATH="/api")
    stack = Supervisor(settings)._stack
    assert (stack.page_path, stack.service_path) == ("/akin", "/api")


def test_a_supervisor_records_the_address_of_the_metrics(tmp_path: Path) -> None:
    settings = settings_for(AKIN_DATA=str(tmp_path), AKIN_SERVICE_METRICS_HOST="127.0.0.2")
    assert Supervisor(settings)._stack.service_metrics == f"127.0.0.2:{settings.service_metrics_port}"


@pytest.fixture
def of_earlier_release(tmp_path: Path) -> Iterator[tuple[Settings, list[Child]]]:
    """Start a stack of three small processes with a record of the first release."""
    settings = settings_for(AKIN_DATA=str(tmp_path), AKIN_MODEL_REPOSITORY=str(tmp_path / "models"))
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    children = [start(name, command, os.environ, tmp_path / "log") for name in ("Triton", "the service", "the page")]
    old = {
        "children": [asdict(child) for child in children],
        "encoders": [1],
        "service": settings.service_url,
        "page": settings.ui_url,
        "triton": f"127.0.0.1:{settings.triton_grpc_port}",
        "triton_http": f"127.0.0.1:{settings.triton_http_port}",
        "complete": True,
    }
    settings.run.mkdir()
    (settings.run / "stack.json").write_text(json.dumps(old))
    yield settings, children
    stop(children)


def test_a_stack_of_an_earlier_release_is_restarted(
    of_earlier_release: tuple[Settings, list[Child]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, children = of_earlier_release
    anew = Stack([], [1], "", "", "", "", complete=True)
    said: list[str] = []

    def start_supervisor(_: Settings) -> Child:
        assert not any(child.alive for child in children)
        assert not (settings.run / "stack.json").exists()
        return children[0]

    monkeypatch.setattr(lifecycle, "promoted_version", lambda _: None)
    monkeypatch.setattr(lifecycle, "start_supervisor", start_supervisor)
    monkeypatch.setattr(lifecycle, "await_ready", lambda *_: anew)
    assert lifecycle.up(settings, said.append) is anew
    assert said == ["the stack was started by an earlier release: restarting it"]


def test_a_stack_of_an_earlier_release_continues_if_there_is_no_encoder(
    of_earlier_release: tuple[Settings, list[Child]],
) -> None:
    settings, children = of_earlier_release
    with pytest.raises(EncoderError):
        lifecycle.up(settings, lambda _: None)
    assert all(child.alive for child in children)


def test_the_status_of_a_stack_of_an_earlier_release_is_printed_and_down_stops_it(
    of_earlier_release: tuple[Settings, list[Child]],
) -> None:
    settings, children = of_earlier_release
    found = find_running_stack(settings)
    assert found is not None
    assert stack_as_json(found, whole=True)["supervisor"] is None
    assert next(line.split()[-3:-1] for line in status_lines(found, ["Triton"])) == ["pid", str(children[0].pid)]
    assert lifecycle.down(settings) == ["the page", "the service", "Triton"]
    assert not any(child.alive for child in children)


def test_a_full_disk_does_not_end_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(AKIN_DATA=str(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    supervisor = Supervisor(settings)
    monkeypatch.setattr("akin.stack.record.update", full)
    supervisor._write()
    assert "stack.json cannot be written: [Errno 28] No space left on device" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "error", "first", "failed"),
    [
        ("restarting", "", True, True),
        ("restarting", "", False, False),
        ("restarting", "StackError", False, True),
        ("starting", "StackError", False, True),
        ("running", "StackError", True, False),
        ("given up", "", False, True),
    ],
)
def test_a_part_that_ended_while_it_ran_is_waited_for_by_the_next_up(
    state: State, error: str, first: bool, failed: bool
) -> None:
    part = PartState("Triton", state, 0.0, failures=1, error=error)
    assert lifecycle.has_failed(part, first=first) is failed


def test_the_encoder_of_the_live_snapshot_is_needed_unless_it_is_promoted(tmp_path: Path) -> None:
    settings = settings_for(AKIN_MODEL_REPOSITORY=str(tmp_path / "models"), AKIN_DATA=str(tmp_path))
    for number, digest in ((1, "a" * 64), (2, "b" * 64), (3, "c" * 64)):
        folder = tmp_path / "models/text_encoder" / str(number)
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"digest": digest}))
    first, second, _ = versions(settings.repository)
    assert launching.versions_still_needed(settings, second) == []
    live = published_manifest(tmp_path, "20260101T000000Z-aaaaaa", EncoderRecord(1, "a" * 64, 384)).id
    SnapshotDirectory(tmp_path).use(live)
    assert launching.versions_still_needed(settings, second) == [1]
    assert launching.versions_still_needed(settings, first) == []
    (SnapshotDirectory(tmp_path).path(live) / "manifest.json").write_text("{")
    assert launching.versions_still_needed(settings, second) == []


def test_the_supervisor_stays_light() -> None:
    heavy = ("numpy", "faiss", "tantivy", "grpc")
    code = f"import sys, akin.stack.supervisor.__main__; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
