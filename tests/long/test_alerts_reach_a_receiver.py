"""A real Prometheus and Alertmanager with the files of deploy/monitoring/: one alert reaches a webhook.

The service's metrics are those of its own registry, served by the test; Triton is a server that the test stops.
"""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from akin.stack.processes import free_ports
from akin.stack_settings import ROOT
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.metrics import Metrics
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


def test_a_triton_that_ends_is_told_to_the_receiver_and_nothing_else_is(tmp_path: Path) -> None:
    prometheus, alertmanager = map(str, SERVERS)
    metrics = Metrics()
    metrics.watch_data(tmp_path)
    metrics.record_snapshot(published_manifest(tmp_path, "first", EncoderRecord(1, "a" * 64, 2)))
    ports = free_ports(2)
    with served() as receiver, served(metrics.text()) as service, served(b"nv_up 1\n") as triton:
        copied(
            tmp_path,
            **{
                "retrieval:8081": f"127.0.0.1:{service.server_port}",
                "triton:8002": f"127.0.0.1:{triton.server_port}",
                "alertmanager:9093": f"127.0.0.1:{ports[1]}",
                # Debian 12's Alertmanager is older than `url_file`.
                "url_file: /run/secrets/alert-webhook": f"url: http://127.0.0.1:{receiver.server_port}/",
            },
        )
        with (
            process(
                alertmanager, "--config.file=webhook.yml", f"--storage.path={tmp_path}/am", "--cluster.listen-address=",
                f"--web.listen-address=127.0.0.1:{ports[1]}", folder=tmp_path,
            ),
            process(
                prometheus, "--config.file=prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
                f"--web.listen-address=127.0.0.1:{ports[0]}", folder=tmp_path,
            ),
        ):  # fmt: skip
            time.sleep(15)
            assert receiver.posted == []
            triton.shutdown()
            triton.server_close()
            within(180, "an alert", lambda: bool(receiver.posted))
            alerts = [alert for message in receiver.posted for alert in message["alerts"]]
    assert {alert["labels"]["alertname"] for alert in alerts} == {"TritonIsAway"}
    assert alerts[0]["labels"]["severity"] == "page"
    assert "Triton does not answer" in alerts[0]["annotations"]["summary"]
