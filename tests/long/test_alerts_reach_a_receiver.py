"""A real Prometheus and Alertmanager with the files of deploy/monitoring/: one alert reaches a webhook.

Once with a server in the place of Triton that the test stops, beside the metrics of the service's own registry; and
once with a whole stack that is searched all the time, whose Triton is killed whenever the supervisor has started it.
"""

from __future__ import annotations

import http.server
import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from akin.stack.processes import free_ports
from akin.stack_settings import ROOT
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.metrics import Metrics
from tests.conftest import RunningStack
from tests.servers import within
from tests.unit.published import published_manifest

FOLDER = ROOT / "deploy" / "monitoring"
SERVERS = [shutil.which("prometheus"), shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")]

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.skipif(None in SERVERS, reason="needs Debian's packages prometheus and prometheus-alertmanager"),
]


class Answering(http.server.BaseHTTPRequestHandler):
    """Answer GET with the server's text, and keep what is posted."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.text())  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(text: bytes = b"") -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.text, server.posted = (lambda: text), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def process(*command: str, folder: Path) -> Iterator[None]:
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        running = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            running.terminate()
            running.wait(20)


def copied(folder: Path, **replaced: str) -> None:
    """Copy the files of deploy/monitoring/, with the addresses of the containers replaced."""
    for name in ("prometheus.yml", "alerts.yml", "objectives.yml", "alertmanager/webhook.yml"):
        text = (FOLDER / name).read_text()
        for old, new in {"_interval: 15s": "_interval: 1s", **replaced}.items():
            text = text.replace(old, new)
        (folder / Path(name).name).write_text(text)


@contextmanager
def watched(folder: Path, service: str, triton: str) -> Iterator[Any]:
    """Run Prometheus over two addresses with metrics, and Alertmanager; yield the receiver of alerts."""
    prometheus, alertmanager = map(str, SERVERS)
    ports = free_ports(2)
    with served() as receiver:
        copied(
            folder,
            **{
                "retrieval:8081": service,
                "triton:8002": triton,
                "alertmanager:9093": f"127.0.0.1:{ports[1]}",
                # Debian 12's Alertmanager is older than `url_file`.
                "url_file: /run/secrets/alert-webhook": f"url: http://127.0.0.1:{receiver.server_port}/",
            },
        )
        with (
            process(
                alertmanager, "--config.file=webhook.yml", f"--storage.path={folder}/am", "--cluster.listen-address=",
                f"--web.listen-address=127.0.0.1:{ports[1]}", folder=folder,
            ),
            process(
                prometheus, "--config.file=prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address=127.0.0.1:{ports[0]}", folder=folder,
            ),
        ):  # fmt: skip
            yield receiver


def posted(receiver: Any, folder: Path, seconds: float = 180) -> list[dict[str, Any]]:
    """Wait for the first message, and return the alerts of all."""
    deadline = time.monotonic() + seconds
    while not receiver.posted and time.monotonic() < deadline:
        time.sleep(1)
    assert receiver.posted, [path.read_text()[-2000:] for path in folder.glob("*.log")]
    return [alert for message in receiver.posted for alert in message["alerts"]]


def test_a_triton_that_ends_is_told_to_the_receiver_and_nothing_else_is(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.watch_data(tmp_path)
    metrics.record_snapshot(published_manifest(tmp_path, "first", EncoderRecord(1, "a" * 64, 2)))
    with (
        served(metrics.text()) as service,
        served(b"nv_up 1\n") as triton,
        watched(tmp_path, *(f"127.0.0.1:{each.server_port}" for each in (service, triton))) as receiver,
    ):
        time.sleep(15)
        assert receiver.posted == []
        triton.shutdown()
        triton.server_close()
        alerts = posted(receiver, tmp_path)
    assert {alert["labels"]["alertname"] for alert in alerts} == {"TritonIsAway"}
    assert alerts[0]["labels"]["severity"] == "page"
    assert "Triton does not answer" in alerts[0]["annotations"]["summary"]


def test_a_killed_triton_of_a_searched_stack_is_told_to_the_receiver(encoder_repository: Path, tmp_path: Path) -> None:
    data, folder, over = tmp_path / "data", tmp_path / "watched", threading.Event()
    folder.mkdir()
    answers: Counter[str] = Counter()
    killed: list[int] = []

    def search(url: str) -> None:
        with httpx.Client(timeout=20) as client:
            for number in itertools.count():
                if over.is_set():
                    return
                answer = client.post(f"{url}/search", json={"query": f"neural networks of kind {number}"})
                answers["words alone" if answer.json().get("degraded") else str(answer.status_code)] += 1

    def kill() -> None:
        """Kill Triton, and each one that the supervisor starts after it."""
        while not over.is_set():
            children = json.loads((data / "run" / "stack.json").read_text())["children"]
            for child in children:
                if child["name"] == "Triton" and child["pid"] not in killed:
                    killed.append(child["pid"])
                    with suppress(ProcessLookupError):
                        os.kill(child["pid"], signal.SIGKILL)
            time.sleep(0.1)

    with RunningStack.over(data, encoder_repository, AKIN_RATE_LIMIT="0") as stack, ExitStack() as ending:
        ports = [stack.environment[f"AKIN_{name}_METRICS_PORT"] for name in ("SERVICE", "TRITON")]
        receiver = ending.enter_context(watched(folder, *(f"127.0.0.1:{port}" for port in ports)))
        people = [threading.Thread(target=search, args=[stack.settings.service_url]) for _ in range(4)]
        ending.callback(lambda: [each.join(60) for each in people])
        ending.callback(over.set)
        for each in people:
            each.start()
        within(60, "a hundred answers", lambda: answers["200"] > 100)
        time.sleep(15)
        assert receiver.posted == []
        assert not answers["words alone"]
        killer = threading.Thread(target=kill)
        ending.callback(killer.join)
        ending.callback(over.set)
        killer.start()
        alerts = posted(receiver, folder)
    assert alerts[0]["labels"]["alertname"] == "TritonIsAway"
    assert len(killed) > 1
    # Searches went on.
    assert answers["words alone"] > 100
    assert set(answers) == {"200", "words alone"}
