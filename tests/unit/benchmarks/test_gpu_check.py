"""Test how the GPU check handles processes, machines, papers and wheels; no test needs torch."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.gpu_check import command
from benchmarks.gpu_check.command import fork, main, read_records
from benchmarks.gpu_check.job import Job, Recorder, rate
from benchmarks.gpu_check.report import Report, StepReport
from benchmarks.gpu_check.steps.machine import NotRun, find_card
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--steps", "nonsense,machine"], "no step 'nonsense': the steps are machine,"),
        (["--steps", ""], "no step ''"),
        (["--minutes", "0"], "--minutes 0 is no time: give a number above 0"),
        (["--minutes", "nan"], "--minutes nan is no time"),
        (["--papers", "/nowhere.gz"], "no file /nowhere.gz: name one of papers"),
        (["--wheels", "/nowhere"], "/nowhere is not a folder: name one of wheels"),
    ],
)
def test_what_cannot_be_used_on_the_command_line_is_named(arguments: list[str], words: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(words)) as told:
        main(["--device", "cpu", *arguments])
    assert "\n" not in str(told.value)


def test_a_broken_wheel_is_named(tmp_path: Path) -> None:
    wheel = tmp_path / "broken-1-py3-none-any.whl"
    wheel.write_bytes(b"PK and no more")
    with pytest.raises(SystemExit, match=r"broken-1-py3-none-any\.whl is not a whole wheel: download it again"):
        unpack(wheel, tmp_path / "made")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stand for torch, the model and two steps: the first records a figure and takes too long, the second fails."""

    def slow(job: Job, record: Recorder) -> None:
        record.row("a", "b", "rate", job.limit, "/s")
        time.sleep(60)

    def fails(job: Job, record: Recorder) -> None:
        record.row("a", "b", "rate", 2, "/s")
        raise ValueError("no luck\nat all")

    for name, work in (("fidelity", slow), ("tests", fails)):
        monkeypatch.setitem(sys.modules, f"benchmarks.gpu_check.steps.{name}", SimpleNamespace(run=work))
    job = Job("cpu", 0, 0, "", "", "", "", str(tmp_path), str(tmp_path / "log"))
    monkeypatch.setattr(command, "prepare", lambda options, work: job)
    monkeypatch.setattr(command, "load_libraries", lambda packages: None)
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: name)
    return tmp_path / "out"


def test_a_stopped_step_and_a_failed_one_leave_their_figures_and_the_time_is_kept(
    steps: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_NOTHING_LEFT", 0.0)
    monkeypatch.setattr(command, "_LEAST_SECONDS", {"cpu": 1.0})
    begun = time.monotonic()
    assert main(["--device", "cpu", "--steps", "fidelity,tests", "--minutes", "0.04", "--out", str(steps)]) == 1
    assert time.monotonic() - begun < 30
    slow, failed = json.loads((steps / "gpu-check.json").read_text())["steps"]
    assert (slow["state"], failed["state"]) == ("stopped", "failed")
    assert [row["metric"] for step in (slow, failed) for row in step["rows"]] == ["rate", "rate"]
    assert 1.0 <= slow["rows"][0]["value"] <= 2.4  # its share of the 2.4 seconds, and not more than all of them
    assert failed["lines"] == ["failed: ValueError: no luck"]
    assert "--steps" not in capsys.readouterr().err


def test_a_step_for_which_no_time_is_left_is_not_started(steps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "cpu", "--steps", "fidelity,tests", "--minutes", "0.03", "--out", str(steps)]) == 1
    first, second = json.loads((steps / "gpu-check.json").read_text())["steps"]
    assert (first["state"], second["state"]) == ("stopped", "not run")
    assert second["lines"] == [
        "not run: no time was left; run it alone with --steps tests, or give more with --minutes."
    ]
    assert "0.03 minutes are short for these steps; 1 or more give every step a figure" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(steps: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="name another folder with --out"):
        main(["--device", "cpu", "--out", str(tmp_path / "file/out")])


def test_steps_run_in_the_order_in_which_they_are_named(steps: Path) -> None:
    assert main(["--device", "cpu", "--steps", "tests,fidelity", "--minutes", "0.12", "--out", str(steps)]) == 1
    report = json.loads((steps / "gpu-check.json").read_text())
    assert [step["name"] for step in report["steps"]] == ["tests", "fidelity"]


def test_a_check_is_resumed_with_the_figures_of_the_steps_that_ended(
    steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = SimpleNamespace(run=lambda job, record: record.row("a", "b", "rate", 7, "/s"))
    monkeypatch.setitem(sys.modules, "benchmarks.gpu_check.steps.vectors", works)
    asked = ["--device", "cpu", "--minutes", "1", "--out", str(steps)]
    assert main([*asked, "--steps", "vectors,tests"]) == 1
    monkeypatch.setitem(sys.modules, "benchmarks.gpu_check.steps.tests", works)
    monkeypatch.delitem(sys.modules, "benchmarks.gpu_check.steps.vectors")  # it must not run again
    assert main([*asked, "--steps", "vectors,tests", "--resume"]) == 0
    report = json.loads((steps / "gpu-check.json").read_text())
    assert [(step["name"], step["state"]) for step in report["steps"]] == [("vectors", "done"), ("tests", "done")]
    assert [row["value"] for step in report["steps"] for row in step["rows"]] == [7, 7]


def test_a_step_that_cannot_run_here_is_no_failure_and_is_tried_again(
    steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack(job: object, record: object) -> None:
        raise NotRun("no wheel of it: put one into GPU_WHEELS.")

    monkeypatch.setitem(sys.modules, "benchmarks.gpu_check.steps.vectors", SimpleNamespace(run=lack))
    asked = ["--device", "cpu", "--minutes", "1", "--out", str(steps), "--steps", "vectors"]
    assert main(asked) == 0
    (step,) = json.loads((steps / "gpu-check.json").read_text())["steps"]
    assert (step["state"], step["lines"]) == ("lacking", ["not run: no wheel of it: put one into GPU_WHEELS."])
    works = SimpleNamespace(run=lambda job, record: record.row("a", "b", "rate", 7, "/s"))
    monkeypatch.setitem(sys.modules, "benchmarks.gpu_check.steps.vectors", works)
    assert main([*asked, "--resume"]) == 0
    (step,) = json.loads((steps / "gpu-check.json").read_text())["steps"]
    assert step["state"] == "done"


def test_what_cannot_be_resumed_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"gpu-check\.json cannot be continued .*: leave --resume out"):
        Report(tmp_path, {"device": "cuda"}).resume()
    Report(tmp_path, {"device": "cpu"}).write()
    with pytest.raises(SystemExit, match=r"is of the device cpu: name another folder with --out"):
        Report(tmp_path, {"device": "cuda"}).resume()
    assert Report(tmp_path, {"device": "cpu"}).resume() == []


def test_steps_that_cannot_run_are_told_before_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None if name == "datasets" else name)
    job = Job("cuda", 0, 0, "", "", "", "", "", "")
    triton, train = command.lacking(job, ["fidelity", "triton", "train"])
    assert triton.startswith("triton will not run: there is no .triton, and GPU_WHEELS_TRITON")
    assert train.startswith("train will not run: datasets missing; put the wheels of wheels.txt into GPU_WHEELS")
    assert command.lacking(job, ["vectors"]) == []
