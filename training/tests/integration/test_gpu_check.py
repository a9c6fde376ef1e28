"""Run each step of `make gpu-check` alone on the CPU, in this process, which has torch loaded already."""

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.gpu_check.command import installed_triton
from benchmarks.gpu_check.exact import exact_vectors
from benchmarks.gpu_check.job import MARK, Job, Recorder
from benchmarks.gpu_check.report import StepReport
from benchmarks.gpu_check.texts import compose_texts
from benchmarks.gpu_check.tiny import make_tiny_model

pytestmark = [
    pytest.mark.integration,
    # Warnings of libraries about their own code.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    work = tmp_path_factory.mktemp("gpu-check")
    model = make_tiny_model(work / "model")
    return Job("cpu", 10.0, 60.0, str(model), "", "", "", str(work), str(work / "log.txt"))


def run(step: str, job: Job, capsys: pytest.CaptureFixture[str]) -> StepReport:
    capsys.readouterr()
    import_module(f"benchmarks.gpu_check.steps.{step}").run(job, Recorder(job.seconds))
    report = StepReport(step)
    for line in capsys.readouterr().out.splitlines():
        if line.startswith(MARK):
            report.add(json.loads(line.removeprefix(MARK)))
    assert not [line for line in report.lines if "failed" in line]
    return report


def figures(report: StepReport, metric: str) -> list[float]:
    return [row.value for row in report.rows if row.metric == metric]


def test_the_machine_is_described(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    report = run("machine", job, capsys)
    assert report.facts["torch"] != "not installed"
    assert report.facts["device"] == "cpu"


def test_vectors_are_faithful_in_every_precision(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    report = run("fidelity", job, capsys)
    assert [row.dataset for row in report.rows[:3]] == ["titles"] * 3
    assert len(figures(report, "1 − mean cosine to FP32")) == 6
    assert len(report.goals) == 4
    assert all(met for _, met in report.goals)


def test_rates_are_measured_and_single_titles_before_the_many_batches(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run("throughput", job, capsys)
    assert len(figures(report, "texts/s")) == 8
    names = [row.metric for row in report.rows]
    assert names.index("p50") < len(names) - 1 - names[::-1].index("texts/s")


def test_exact_search_is_exact(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    assert figures(run("vectors", job, capsys), "recall@10") == [1.0, 1.0]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the server's Python is an older one, as it needs NumPy 1")
def test_triton_serves_the_torch_runtime(job: Job, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    triton, home = installed_triton(tmp_path)
    assert triton, "there is no .triton for this Python: run `make setup`"
    report = run("triton", replace(job, triton=triton, python_home=home), capsys)
    assert len(figures(report, "texts/s")) == 6
    assert abs(figures(report, "1 − mean cosine to FP32")[0]) < 1e-5


def test_training_gives_a_rate_for_each_loss(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    rates = figures(run("train", job, capsys), "pairs/s")
    assert len(rates) == 2
    assert min(rates) > 0


def test_the_recipe_runs_with_its_own_keys(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    report = run("recipe", job, capsys)
    assert figures(report, "pairs/s")
    assert 0 <= figures(report, "MRR@10 before")[0] <= 1
    assert figures(report, "MRR@10 after")
    assert figures(report, "whole training")[0] > 0


def test_vectors_in_fp32_are_computed_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [paper.title for paper in compose_texts(12)]
    first = exact_vectors(job, "once", texts)

    def fails(*_: Any, **__: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr("sentence_transformers.SentenceTransformer", fails)
    np.testing.assert_array_equal(exact_vectors(job, "once", texts[:5]), first[:5])
    with pytest.raises(AssertionError, match="computed again"):
        exact_vectors(job, "once", [*texts, "more"])
    assert not list(Path(job.work).glob("*.part.npy"))
