"""A Google Cloud on this machine: buckets, tokens, secrets, logs, and jobs that run their containers as processes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from akin.cloud.worker import STOPPED
from akin.stack_settings import ROOT
from tests.unit.bundles.bucket_server import BucketServer, bucket_server

PROJECT, REGION = "shelf-project", "earth-north1"
ACCOUNT = f"launcher@{PROJECT}.iam.example"
KEY = "the-key-of-wandb"


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def refusal(code: int, message: str, status: str = "", reason: str = "") -> tuple[int, dict[str, Any]]:
    """Return an answer in the form of Google's errors."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return code, {"error": {"code": code, "message": message, "status": status, "details": details}}


@dataclass
class Job:
    """Job of Vertex AI: its description, its state, and what its container printed."""

    name: str
    spec: dict[str, Any]
    state: str = "JOB_STATE_PENDING"
    error: str = ""
    lines: list[str] = field(default_factory=list)
    starts: int = 0
    process: subprocess.Popen[str] | None = None

    def answer(self) -> dict[str, Any]:
        found = {"name": self.name, "displayName": self.spec["displayName"], "state": self.state}
        return found | ({"error": {"code": 8, "message": self.error}} if self.error else {})


class FakeGoogle(ThreadingHTTPServer):
    """Server of interfaces.

    Attributes:
        buckets: the server of buckets.
        refuse: answers to requests whose address has a text.
        take_away: how often a container is ended after its run was saved, and started again.
        lose: how often a job ends for lack of machines after its run was saved.
        bodies: what was sent, by method and address.
    """

    daemon_threads = True

    def __init__(self, buckets: BucketServer, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.buckets, self.folder = buckets, folder
        self.refuse: dict[str, tuple[int, dict[str, Any]]] = {}
        self.take_away = self.lose = 0
        self.jobs: dict[str, Job] = {}
        self.bodies: list[tuple[str, str, Any]] = []
        self.threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables by which this machine's programs find this cloud and its credentials."""
        credentials = self.folder / "account.json"
        if not credentials.exists():
            account = {
                "type": "service_account",
                "client_email": ACCOUNT,
                "private_key": private_key(),
                "private_key_id": "1",
                "token_uri": f"{self.url}/token",
                "project_id": PROJECT,
            }
            credentials.write_text(json.dumps(account))
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(credentials), "GOOGLE_BASE_URL": self.buckets.url}

    def settings(self, **train: Any) -> Path:
        """Write a file of settings and return it."""
        lines = [f'project = "{PROJECT}"', f'region = "{REGION}"', 'bucket = "gs://shelf/akin"', "[endpoints]"]
        lines += [f'{name} = "{self.url}"' for name in ("aiplatform", "logging", "secretmanager")]
        lines += ["[train]", *(f"{key} = {json.dumps(value)}" for key, value in train.items())]
        path = self.folder / "cloud.toml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def run(self, job: Job) -> None:
        """Run the container of a job until it ends; each start has an empty disk, in the same place as every other."""
        (pool,) = job.spec["jobSpec"]["workerPoolSpecs"]
        container = pool["containerSpec"]
        while True:
            job.starts += 1
            disk = self.folder / "disk"
            shutil.rmtree(disk, ignore_errors=True)
            disk.mkdir()
            environment = {
                **os.environ,
                **self.environment,
                **{each["name"]: each["value"] for each in container.get("env", [])},
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "FAKE_TRAINING_ENDS": "" if self.take_away or self.lose else "1",
                "AKIN_DATA": str(disk / "data"),
                "AKIN_MODEL_REPOSITORY": str(disk / "models"),
            }
            job.process = subprocess.Popen(
                [*container["command"], *container["args"]],
                env=environment,
                cwd=disk,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            job.state = "JOB_STATE_RUNNING"
            reader = threading.Thread(target=self._read, args=(job,), daemon=True)
            reader.start()
            if (self.take_away or self.lose) and self._wait_for_copy(job):
                job.process.send_signal(signal.SIGTERM)
            code = job.process.wait()
            reader.join()
            if job.state == "JOB_STATE_CANCELLED":
                return
            if code == STOPPED and self.take_away:
                self.take_away -= 1
            elif code == STOPPED and self.lose:
                self.lose -= 1
                job.error = "Job failed: the machine was preempted more than 6 times."
                job.state = "JOB_STATE_FAILED"
                return
            else:
                job.error = "" if code == 0 else f"The replica workerpool0-0 exited with a non-zero status of {code}."
                job.state = "JOB_STATE_FAILED" if code else "JOB_STATE_SUCCEEDED"
                return

    def _wait_for_copy(self, job: Job) -> bool:
        """Wait until the run was saved; return False if the container ended before."""
        run = job.spec["labels"]["run"]
        known = self.buckets.objects.get(f"shelf/akin/runs/{run}/state/LATEST")
        while self.buckets.objects.get(f"shelf/akin/runs/{run}/state/LATEST") == known:
            assert job.process is not None
            if job.process.poll() is not None:
                return False
            time.sleep(0.02)
        return True

    def _read(self, job: Job) -> None:
        assert job.process is not None
        assert job.process.stdout is not None
        for line in job.process.stdout:
            job.lines.append(line.rstrip("\n"))
        job.process.stdout.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: FakeGoogle
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        body = json.loads(content) if content[:1] == b"{" else content.decode()
        self.server.bodies.append((self.command, parts.path, body))
        refused = next((each for text, each in self.server.refuse.items() if text in self.path), None)
        code, found = refused or self.found(parts.path, parse_qs(parts.query), body)
        encoded = json.dumps(found).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    do_GET = do_POST = answer

    def found(self, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, dict[str, Any]]:
        google, parent = self.server, f"/v1/projects/{PROJECT}/locations/{REGION}/customJobs"
        if path == "/token":
            return 200, {"access_token": "token-1", "expires_in": 3600, "token_type": "Bearer"}
        if self.headers.get("authorization") != "Bearer token-1":
            return refusal(401, "Request had invalid authentication credentials", "UNAUTHENTICATED")
        if path == parent and self.command == "POST":
            job = Job(f"projects/7/locations/{REGION}/customJobs/{len(google.jobs) + 1}", body)
            google.jobs[job.name] = job
            google.threads.append(threading.Thread(target=google.run, args=(job,), daemon=True))
            google.threads[-1].start()
            return 200, job.answer()
        if path == parent:
            wanted = [f'displayName="{each.spec["displayName"]}"' for each in google.jobs.values()]
            jobs = [each for each, name in zip(google.jobs.values(), wanted, strict=True) if [name] == query["filter"]]
            return 200, {"customJobs": [each.answer() for each in jobs]}
        if (job_found := google.jobs.get(path.removeprefix("/v1/").removesuffix(":cancel"))) is not None:
            if path.endswith(":cancel"):
                job_found.state = "JOB_STATE_CANCELLED"
                if job_found.process is not None:
                    job_found.process.terminate()
                return 200, {}
            return 200, job_found.answer()
        if path == "/v2/entries:list":
            (job,) = (each for each in google.jobs.values() if f'"{each.name.rpartition("/")[2]}"' in body["filter"])
            shown = (
                int(body["filter"].rpartition('timestamp>"')[2].rstrip('"') or 0)
                if "timestamp" in body["filter"]
                else 0
            )
            lines = job.lines[shown:]
            entries = [{"textPayload": line, "timestamp": str(shown + place + 1)} for place, line in enumerate(lines)]
            return 200, {"entries": entries}
        if path == f"/v1/projects/{PROJECT}/secrets/wandb/versions/latest:access":
            return 200, {"payload": {"data": base64.b64encode(f"{KEY}\n".encode()).decode()}}
        return refusal(404, f"{path} was not found", "NOT_FOUND")


AKIN = f"""#!/bin/sh
[ "$1" = train ] && exec {sys.executable} {Path(__file__).with_name("fake_training.py")} "$@"
exec {sys.executable} -m akin "$@"
"""


@contextmanager
def fake_google(folder: Path) -> Iterator[FakeGoogle]:
    """Serve a cloud while the block runs, with a training that takes a second in the place of the real one."""
    (folder / "bin").mkdir(parents=True)
    script = folder / "bin/akin"
    script.write_text(AKIN)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    with bucket_server("shelf") as buckets:
        google = FakeGoogle(buckets, folder)
        thread = threading.Thread(target=google.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield google
        finally:
            for job in google.jobs.values():
                if job.process is not None and job.process.poll() is None:
                    job.process.kill()
            for each in google.threads:
                each.join(30)
            google.shutdown()
            google.server_close()
            thread.join()
