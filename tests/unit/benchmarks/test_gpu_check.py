"""Test how the GPU check handles processes, machines, papers and wheels; no test needs torch."""

from __future__ import annotations

import gzip
import json
import os
import time
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu_check.command import fork, main, read_records
from benchmarks.gpu_check.job import Recorder, rate
from benchmarks.gpu_check.report import Report, StepReport
from benchmarks.gpu_check.steps.machine import NotRun, find_card, unusable
from benchmarks.gpu_check.texts import TitleAndAbstract, read_texts
from benchmarks.gpu_check.wheels import unpack, unpack_triton


def test_records_come_while_the_process_runs_and_other_output_does_not_disturb(tmp_path: Path) -> None:
    def work() -> int:
        print("a library prints this")
        Recorder(1).row("system", "data", "speed", 2.5, "/s")
        print("half a line", end="")
        return 3

    records: list[dict[str, object]] = []
    code = read_records(*fork(work, str(tmp_path / "log")), time.monotonic() + 20, records.append)
    assert code == 3
    assert [list(record) for record in records] == [["row"]]


def test_a_process_that_takes_too_long_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def work() -> int:
        Recorder(1).line("before")
        if not os.fork():
            started.write_text(str(os.getpid()))
            time.sleep(60)
        time.sleep(60)
        return 0

    records: list[dict[str, object]] = []
    begun = time.monotonic()
    code = read_records(*fork(work, str(tmp_path / "log")), begun + 2, records.append)
    assert code is None
    assert time.monotonic() - begun < 10
    assert records == [{"line": "before"}]
    state = Path(f"/proc/{started.read_text()}/stat")
    end = time.monotonic() + 10
    while is_alive(state) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_alive(state)


def is_alive(state: Path) -> bool:
    try:
        return not state.read_text().rpartition(") ")[2].startswith(("Z", "X"))
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_part_that_fails_leaves_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    record = Recorder(1)
    assert record.attempt("division", lambda: 1 / 0) is None
    assert record.attempt("sum", lambda: 1 + 1) == 2
    assert "division failed: ZeroDivisionError: division by zero" in capsys.readouterr().out


def test_the_report_has_the_goals_that_compare_steps(tmp_path: Path) -> None:
    report = Report(tmp_path, {"device": "cuda"})
    for name, system, dataset, value in (
        ("throughput", "sentence-transformers, FP16, batch 32", "titles", 100.0),
        ("throughput", "ours, FP16, runs", "titles", 400.0),
        ("triton", "ours, Triton gRPC", "titles, 8 clients", 200.0),
    ):
        step = StepReport(name, "done")
        step.add({"row": {"system": system, "dataset": dataset, "metric": "texts/s", "value": value, "unit": "/s"}})
        report.steps.append(step)
    report.write()
    goals = json.loads((tmp_path / "gpu-check.json").read_text())["goals"]
    assert [met for _, met in goals] == [True, False]
    assert "(2.00 x)" in goals[0][0]
    assert "(50%)" in goals[1][0]
    assert "| ours, Triton gRPC | texts/s | 200 /s |" in (tmp_path / "gpu-check.md").read_text()


@pytest.mark.parametrize(
    ("driver", "cuda", "available", "words"),
    [
        ("580.65", "13.0", True, None),
        ("550.54", "13.0", False, "580 or newer"),
        ("550.54", "12.8", True, None),
        ("580.65", None, False, "built for CPUs"),
        ("580.65", "13.0", False, "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_what_does_not_fit_is_named(driver: str, cuda: str | None, available: bool, words: str | None) -> None:
    reason = unusable(driver, cuda, available)
    assert reason is None if words is None else words in str(reason)


def test_a_machine_without_a_driver_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotRun, match="install it, or try `--device cpu`"):
        find_card()


def test_papers_are_read_from_packed_lines(tmp_path: Path) -> None:
    path = tmp_path / "papers.jsonl.gz"
    records = [{"title": "A\n title", "abstract": " Words. "}, {"title": "None", "abstract": None}]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, records)).encode()))
    assert read_texts(str(path), 5) == [TitleAndAbstract("A title", "Words.")]
    path.write_bytes(b"no gzip")
    with pytest.raises(SystemExit, match="--papers"):
        read_texts(str(path), 5)


def test_a_wheels_programs_can_be_run(tmp_path: Path) -> None:
    wheel = tmp_path / "nvidia_pytriton-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        entry = zipfile.ZipInfo("bin/server")
        entry.external_attr = 0o100755 << 16
        archive.writestr(entry, "#!/bin/sh\n")
    unpack(wheel, tmp_path / "made")
    assert os.access(tmp_path / "made/bin/server", os.X_OK)
    assert unpack_triton(tmp_path, tmp_path / "triton") == ("", "")


def test_a_rate_is_measured_over_the_wanted_time() -> None:
    found = rate(lambda texts: time.sleep(0.001 * len(texts)), ["text"] * 10_000, 0.1, 4)
    assert 200 < found < 1000


def test_an_unknown_step_is_named() -> None:
    with pytest.raises(SystemExit, match="no step nonsense"):
        main(["--steps", "nonsense"])
