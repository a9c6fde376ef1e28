"""Run every step of `make gpu-check` on the CPU, with a tiny model and without a network."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from akin.stack_settings import ROOT, Settings
from benchmarks.gpu_check.command import STEPS

pytestmark = pytest.mark.long


def run_check(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    python = Settings.read().training_python
    if not python.exists():
        pytest.skip(f"there is no training environment at {python}")
    command = [str(python), "-m", "benchmarks.gpu_check", "--out", str(out), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the report of every step."""
    out = tmp_path_factory.mktemp("gpu-check")
    done = run_check(out, "--device", "cpu", "--minutes", "4")
    assert done.returncode == 0, done.stdout + done.stderr + (out / "log.txt").read_text()
    assert (out / "gpu-check.md").read_text().startswith("# GPU check")
    return {step["name"]: step for step in json.loads((out / "gpu-check.json").read_text())["steps"]}


def figures(step: dict[str, Any], metric: str) -> list[float]:
    return [row["value"] for row in step["rows"] if row["metric"] == metric]


def test_every_step_ends(steps: dict[str, Any]) -> None:
    assert {name: step["state"] for name, step in steps.items()} == dict.fromkeys(STEPS, "done")
    failed = [line for step in steps.values() for line in step["lines"] if "failed" in line]
    assert not failed


def test_vectors_are_faithful_in_process_and_through_triton(steps: dict[str, Any]) -> None:
    assert len(figures(steps["fidelity"], "1 − mean cosine to FP32")) == 6
    assert all(met for _, met in steps["fidelity"]["goals"])
    assert abs(figures(steps["triton"], "1 − mean cosine to FP32")[0]) < 1e-5


def test_rates_are_measured(steps: dict[str, Any]) -> None:
    assert len(figures(steps["throughput"], "texts/s")) == 8
    assert len(figures(steps["triton"], "texts/s")) == 6
    assert len(figures(steps["train"], "pairs/s")) == 2
    assert all(value > 0 for step in steps.values() for value in figures(step, "texts/s") + figures(step, "pairs/s"))


def test_exact_search_is_exact(steps: dict[str, Any]) -> None:
    assert figures(steps["vectors"], "recall@10") == [1.0, 1.0]


def test_the_tests_of_the_gpu_ran(steps: dict[str, Any]) -> None:
    assert [met for _, met in steps["tests"]["goals"]] == [True]


def test_without_a_driver_one_line_says_what_to_do(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "modules.json").write_text("[]")
    done = run_check(tmp_path / "out", "--model", str(model), PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("gpu-check: not run: no NVIDIA driver or no card")
    assert "--device cpu" in done.stderr
