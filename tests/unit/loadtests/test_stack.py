from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from loadtests.errors import BadOption, NothingToSearch, StackFailed, TargetUnreachable
from loadtests.options import Options, read_options
from loadtests.service import counters, target
from loadtests.stack import use_stack

RUNS = {
    "running": True,
    "processes": [{"name": "Triton", "pid": 11, "alive": True}, {"name": "the page", "pid": 12, "alive": True}],
    "service": "http://127.0.0.1:18080",
    "triton": "127.0.0.1:18001",
}
RUNS_NOT = {"running": False, "processes": [], "service": None, "triton": None}


class Command:
    """Fake `akin` that records its arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "akin"
        self.says("status", RUNS_NOT)
        self.says("index", [{"source": "sample", "live": True}])
        self.path.write_text(
            f'#!/bin/sh\ncd {folder}\necho "$*" >> asked\n'
            'if [ "$1" = up ] && [ -e cannot ]; then exit 1; fi\n'
            'if [ "$1" = up ]; then cp after status; fi\n'
            'if [ "$1" = down ]; then echo; else cat "$1" 2>/dev/null; fi\n'
            '[ "$1" != status ] || grep -q "true," status\n'
        )
        self.path.chmod(0o755)
        (folder / "after").write_text(json.dumps(RUNS))

    def says(self, command: str, answer: object) -> None:
        (self.folder / command).write_text(json.dumps(answer))

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    def options(self, *arguments: str) -> Options:
        return dataclasses.replace(read_options(["users", *arguments], {}), akin=self.path)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


def silent(text: str) -> None:
    """Ignore the message."""


def test_a_running_stack_is_used_and_left_running(command: Command) -> None:
    command.says("status", RUNS)
    with use_stack(command.options(), silent) as found:
        assert (found.service, found.triton, found.started) == (RUNS["service"], RUNS["triton"], False)
        assert found.processes == {"Triton": 11, "the page": 12}
    assert command.asked == ["status --json"]


def test_a_started_stack_is_stopped(command: Command) -> None:
    with use_stack(command.options(), silent) as found:
        assert found.started
        assert command.asked == ["status --json", "up", "status --json"]
    assert command.asked[-1] == "down"


def test_a_started_stack_is_stopped_after_a_failure_too(command: Command) -> None:
    with pytest.raises(TargetUnreachable), use_stack(command.options(), silent):
        raise TargetUnreachable("gone")
    assert command.asked[-1] == "down"


def test_a_stack_that_does_not_start_is_an_error(command: Command) -> None:
    (command.folder / "cannot").touch()
    with pytest.raises(StackFailed, match="akin up"), use_stack(command.options(), silent):
        pass


def test_a_corpus_is_indexed_unless_it_is_live(command: Command) -> None:
    with use_stack(command.options("--corpus", "sample"), silent):
        assert "index build sample" not in command.asked
    command.says("status", RUNS_NOT)
    with use_stack(command.options("--corpus", "papers/arxiv.jsonl.gz"), silent):
        assert command.asked.index("index build papers/arxiv.jsonl.gz") < len(command.asked) - 2


def test_a_running_stack_with_other_papers_is_left_alone(command: Command) -> None:
    command.says("status", RUNS)
    with (
        pytest.raises(BadOption, match=r"searches sample, not arxiv\.jsonl"),
        use_stack(command.options("--corpus", "arxiv.jsonl"), silent),
    ):
        pass
    assert not {"up", "down"} & set(command.asked)


def test_part_of_a_stack_is_left_alone(command: Command) -> None:
    processes = [{"name": "Triton", "pid": 11, "alive": True}, {"name": "the page", "pid": 12, "alive": False}]
    command.says("status", RUNS | {"running": False, "processes": processes})
    with pytest.raises(TargetUnreachable, match="only part"), use_stack(command.options(), silent):
        pass
    assert command.asked == ["status --json"]


def test_another_service_is_measured_without_starting_anything(command: Command) -> None:
    with use_stack(command.options("--service", "http://127.0.0.1:9/"), silent) as found:
        assert (found.service, found.processes) == ("http://127.0.0.1:9", {})
    assert "up" not in command.asked


def test_another_service_needs_no_akin_here(tmp_path: Path) -> None:
    options = read_options(["users", "--service", "http://127.0.0.1:9", "--triton", "127.0.0.1:8"], {})
    with use_stack(dataclasses.replace(options, akin=tmp_path / "akin"), silent) as found:
        assert found.triton == "127.0.0.1:8"


def test_a_missing_command_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    options = dataclasses.replace(read_options(["users"], {}), akin=tmp_path / "akin")
    with pytest.raises(StackFailed, match="make setup"), use_stack(options, silent):
        pass


class Service(BaseHTTPRequestHandler):
    """Service that answers from a table."""

    answers: dict[str, tuple[int, Any]] = {}  # noqa: RUF012  # set by each test

    def do_GET(self) -> None:
        status, body = self.answers.get(self.path, (404, {}))
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


READY = {"snapshot": {"status": "ok"}, "encoder": {"status": "ok"}}
CORPUS = {
    "papers": 314,
    "source": "sample",
    "snapshot": "s1",
    "encoder": {"version": 2},
    "categories": [{"code": "cs.LG", "name": "Machine Learning", "papers": 9}],
    "first": "1995-11-29",
    "newest": "2021-10-15",
}


def test_the_target_comes_from_the_service(service: str) -> None:
    Service.answers = {"/health/ready": (200, {"components": READY}), "/corpus": (200, CORPUS)}
    found = target(service, 0)
    assert (found.papers, found.encoder, found.years) == (314, 2, (1995, 2021))
    assert found.categories == {"cs.LG": "Machine Learning"}


def test_a_service_without_papers_is_an_error_with_the_next_step(service: str) -> None:
    Service.answers = {"/health/ready": (503, {"components": {"snapshot": {"status": "missing"}}})}
    with pytest.raises(NothingToSearch, match="akin index build sample"):
        target(service, 0)


@pytest.mark.parametrize(
    "snapshot",
    [
        {"status": "missing", "refused": {"code": "snapshot_invalid", "reason": "has terms of analysis 1, not 2"}},
        {"status": "damaged", "reason": "has terms of analysis 1, not 2"},
    ],
)
def test_a_refused_or_damaged_index_is_an_error_with_the_reason(service: str, snapshot: dict[str, object]) -> None:
    Service.answers = {"/health/ready": (503, {"components": {"snapshot": snapshot}})}
    with pytest.raises(NothingToSearch, match="its index: has terms of analysis 1, not 2"):
        target(service, 0)


def test_a_service_without_encoder_is_not_measured(service: str) -> None:
    Service.answers = {"/health/ready": (200, {"components": READY | {"encoder": {"status": "away"}}})}
    with pytest.raises(TargetUnreachable, match="no encoder"):
        target(service, 0)


def test_another_server_at_the_address_is_an_error(service: str) -> None:
    Service.answers = {"/health/ready": (200, "<html>"), "/metrics": (200, "n 3\n")}
    with pytest.raises(TargetUnreachable, match="JSON"):
        target(service, 0)
    assert counters(service) == {("n", ()): 3.0}
    Service.answers = {"/metrics": (404, "n 3\n")}
    assert counters(service) == counters(None) == {}


def test_no_server_at_the_address_is_an_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(TargetUnreachable, match="does not answer"):
        target(nobody, 0)
    assert counters(nobody) == {}
