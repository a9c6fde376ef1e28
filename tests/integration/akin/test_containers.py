"""Test the commands of containers without containers: Triton in the foreground, and an index built with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from akin.stack.processes import free_ports
from tests.conftest import AKIN, STARTS_SOON
from tests.unit.deploy.monitoring import OF_GPUS, expressions, metrics_of

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.integration
PAPERS = [
    {"id": f"p{number}", "title": title, "abstract": f"{title} are looked at closely."}
    for number, title in enumerate(["Sparse attention", "Dark matter halos", "Protein folding"])
]


@pytest.fixture
def environment(tmp_path: Path, encoder_repository: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AKIN_")}
    own = {"AKIN_DATA": str(tmp_path / "data"), "AKIN_MODEL_REPOSITORY": str(encoder_repository)}
    return {**kept, **own, **STARTS_SOON}


@contextmanager
def foreground(environment: dict[str, str], http: int, grpc: int, metrics: int) -> Iterator[subprocess.Popen[str]]:
    ports = {"HTTP": http, "GRPC": grpc, "METRICS": metrics}
    ours = {f"AKIN_TRITON_{name}_PORT": str(port) for name, port in ports.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "akin.stack.foreground"], env={**environment, **ours}, stderr=subprocess.PIPE, text=True
    )
    yield process
    # Not killed: Triton's Python process would outlive it, and keep the pipe open.
    process.terminate()
    process.communicate(timeout=60)


def is_ready(http: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{http}/v2/health/ready", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def test_an_index_is_built_by_a_triton_in_the_foreground(environment: dict[str, str], tmp_path: Path) -> None:
    papers = tmp_path / "papers.jsonl"
    papers.write_text("\n".join(map(json.dumps, PAPERS)))
    http, grpc, metrics = free_ports(3)
    elsewhere = {"AKIN_TRITON_URL": f"grpc://127.0.0.1:{grpc}", "AKIN_WAIT_SECONDS": "120"}
    command = [AKIN, "index", "build", str(papers), "--if-none"]
    with subprocess.Popen(command, env={**environment, **elsewhere}, stderr=subprocess.PIPE, text=True) as build:
        assert build.stderr is not None
        assert re.match(r"waiting for Triton \(at most 1[012]\d s\)", build.stderr.readline())
        with foreground(environment, http, grpc, metrics) as process:
            _, said = build.communicate(timeout=150)
            assert build.returncode == 0, said
            assert "3 papers indexed" in said
            assert is_ready(http)
            metadata = httpx.get(f"http://127.0.0.1:{http}/v2/models/text_encoder", timeout=5).json()
            assert metadata["versions"] == ["1"]
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
            assert process.returncode == 0
            assert errors.startswith("triton: serving encoder version 1 (")


def test_waiting_for_an_encoder_ends_with_a_signal_and_without_a_trace(
    environment: dict[str, str], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "akin.stack.foreground"],
        env={**environment, "AKIN_MODEL_REPOSITORY": str(tmp_path), "AKIN_WAIT_SECONDS": "60"},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline().startswith("triton: waiting for an encoder (at most 60 s): no encoder in")
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


def test_an_existing_index_is_left_unchanged(sample_stack: RunningStack) -> None:
    before = sample_stack.akin("index", "list", "--json").stdout
    started = time.monotonic()
    done = sample_stack.akin("index", "build", "sample", "--if-none")
    assert done.returncode == 0, done.stderr
    assert "314 papers of sample are indexed: snapshot" in done.stderr
    assert time.monotonic() - started < 30
    assert sample_stack.akin("index", "list", "--json").stdout == before


def test_an_index_of_another_encoder_is_reported_and_kept(sample_stack: RunningStack, tmp_path: Path) -> None:
    model = tmp_path / "text_encoder"
    (model / "1").mkdir(parents=True)
    (model / "1" / "manifest.json").write_text(json.dumps({"digest": "f" * 64}))
    (model / "PROMOTED").write_text("1\n")
    done = subprocess.run(
        [AKIN, "index", "build", "sample", "--if-none"],
        env={**sample_stack.environment, "AKIN_MODEL_REPOSITORY": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert "(314 papers of sample) was made by encoder" in line
    assert "ffffffffffff (version 1) is promoted" in line
    assert "akin index build sample" in line


@pytest.mark.parametrize("below", ["corpora", "rejects"])
def test_a_data_folder_that_cannot_be_written_is_reported_in_one_line(
    environment: dict[str, str], tmp_path: Path, below: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / below).write_text("a file where a folder is needed")
    papers = tmp_path / "papers.jsonl"
    papers.write_text(json.dumps(PAPERS[0]))
    done = subprocess.run(
        [AKIN, "index", "build", "sample" if below == "corpora" else str(papers)],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 6
    assert f"cannot write {data / below}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_every_metric_of_alerts_and_dashboard_is_exported(sample_stack: RunningStack) -> None:
    """Leave out metrics of GPUs, which a Triton without a GPU does not export, and those that the rules record."""
    assert sample_stack.akin("search", "named entity recognition").returncode == 0
    ports = (sample_stack.settings.service_metrics_port, sample_stack.settings.triton_metrics_port)
    texts = [httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text for port in ports]
    told = set(re.findall(r"^([a-z]\w*)(?=[{ ])", "\n".join(texts), re.MULTILINE))
    asked = {name for each in expressions() for name in metrics_of(each) if ":" not in name}
    # Metrics of jobs and with labels are exported from their first value on: here no encoder has failed, and nobody has
    # looked for drift, recall or newer papers, or follows a channel.
    of_jobs = {
        *("akin_drift_detected", "akin_drift_report_timestamp_seconds", "akin_recall_at_10", "akin_refresh_failed"),
        *("akin_fleet_failed", "akin_fleet_look_timestamp_seconds"),
        *("akin_refresh_success_timestamp_seconds", "akin_snapshot_harvested_timestamp_seconds"),
    }
    assert asked - told == OF_GPUS | of_jobs | {"up", "akin_encoder_failures_total"}
