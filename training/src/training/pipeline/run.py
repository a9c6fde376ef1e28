"""A whole run: `python -m training.pipeline.run [--resume RUN] [--profile] [--json] [GROUP=NAME | KEY=VALUE …]`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.errors import RunError, TrainingError
from training.pipeline import preflight, run_folder
from training.pipeline.composition import compose, set_default_paths
from training.pipeline.run_folder import STAGES, RunFolder
from training.pipeline.stages import load_stage
from training.progress import log_duration, log_progress

PROFILED_STEPS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 is success, 1 a refusal in words on standard error, 2 a wrong argument."""
    options = _parser().parse_intermixed_args(arguments)
    set_default_paths()
    # Libraries print; standard output is for the result alone.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            run = start_run(options.overrides, options.resume)
            if options.profile:
                profile(run)
            else:
                finish(run, processes=options.processes)
            result = {"run": str(run.folder), **run.read_record()}
        except TrainingError as error:
            log_progress(f"train: {error}")
            return 1
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(summary(result))
    return 0


def start_run(overrides: Sequence[str], resume: str | None) -> RunFolder:
    """A new run, or one that goes on.

    Args:
        overrides: in Hydra's grammar; with `resume` there may be none, as a run keeps its configuration.
        resume: a run's name, or `last`.

    Raises:
        RunError: There is no such run.
        TrainingError: What the configuration names is not there.
    """
    if resume is None:
        configuration = compose(overrides)
        preflight.check(configuration)
        moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        folder = Path(configuration.paths.data) / "training" / f"{configuration.name}-{moment}"
        log_progress(f"run {folder.name}, in {folder}")
        return run_folder.create_run(folder, configuration)
    if overrides:
        raise RunError(f"a resumed run keeps its configuration; leave out {' '.join(overrides)}, or start a new run.")
    runs = Path(os.environ["AKIN_DATA"]) / "training"
    there = sorted((one.parent for one in runs.glob("*/run.json")), key=lambda one: one.stat().st_mtime)
    chosen = [one for one in there if one.name == resume] if resume != "last" else there[-1:]
    if not chosen:
        names = ", ".join(one.name for one in there) or "none"
        raise RunError(f"there is no run {resume!r} in {runs} (there: {names}).")
    return run_folder.open_run(chosen[0])


def finish(run: RunFolder, *, processes: int = 1) -> None:
    """Runs the stages that are not done yet, in order."""
    for name in STAGES:
        if run.is_done(name):
            log_progress(f"{name}: done before")
            continue
        with log_duration(name):
            if name == "train" and processes > 1:
                train_distributed(run, processes)
            else:
                load_stage(name)(run)


def profile(run: RunFolder) -> None:
    """Prepares what training needs and looks into a few of its steps."""
    from training.pipeline.stages import train

    for name in STAGES[: STAGES.index("train")]:
        if not run.is_done(name):
            with log_duration(name):
                load_stage(name)(run)
    train.run_stage(run, profile=PROFILED_STEPS)
    table = run.folder / "profile" / "table.txt"
    log_progress(table.read_text())
    run.record(profile={"trace": "profile/trace.json", "table": "profile/table.txt"})


def summary(result: dict[str, Any]) -> str:
    """A finished run in a few lines."""
    lines = [f"run {result['run']}"]
    if training := result.get("training", {}).get("after"):
        before = result["training"]["before"]
        lines.append(f"MRR@10 on validation {before['MRR@10']:.4f} → {training['MRR@10']:.4f}")
    if version := result.get("version"):
        lines.append(f"encoder version {version['number']}" + (", promoted" if version["promoted"] else ""))
    if "profile" in result:
        lines.append(f"trace and table in {result['run']}/profile")
    return "\n".join(lines)


def train_distributed(run: RunFolder, processes: int) -> None:
    """Training in several processes of this machine, by torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "training.pipeline.stage", "train", "--folder", str(run.folder)]
    if code := subprocess.run(command, check=False).returncode:
        raise RunError(f"training in {processes} processes ended with exit code {code}; its own words are above.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.pipeline.run",
        description="Train an encoder: prepare, pairs, mine, train, compress, evaluate, export. The "
        "result is a new version, which is not promoted unless it is the first.",
        epilog="example: python -m training.pipeline.run experiment=arxiv_cpu data.papers=papers.jsonl.gz",
    )
    parser.add_argument("overrides", nargs="*", metavar="GROUP=NAME|KEY=VALUE", help="see docs/training.md")
    parser.add_argument("--resume", metavar="RUN", help="go on with a run by its name, or with the `last`")
    parser.add_argument("--profile", action="store_true", help="look into a few steps instead of training")
    parser.add_argument("--processes", type=int, default=1, help="train in so many processes (GPUs) of this machine")
    parser.add_argument("--json", action="store_true", help="print run.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
