"""Run all stages: `python -m training.pipeline.run [--resume RUN] [--profile] [--json] [GROUP=NAME | KEY=VALUE …]`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.command import run_command
from training.errors import CorpusError, RunError
from training.fit.batches import PairFile, read_texts, require_batches
from training.pipeline import preflight, run_folder
from training.pipeline.composition import compose, set_default_paths
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages import BEFORE_TRAINING, run_stages
from training.pipeline.stages.pairs import PAIRS_FILE
from training.progress import log_duration, log_progress

PROFILED_STEPS = 5
UNTIL_PAIRS = BEFORE_TRAINING[: BEFORE_TRAINING.index("pairs") + 1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 on success, 1 if it was refused with a message, 2 for a wrong argument."""
    return run_command(_parser(), _run, arguments, name="train")


def _run(options: argparse.Namespace) -> str:
    set_default_paths()
    run = start_run(options.overrides, options.resume)
    try:
        if options.profile:
            profile_training(run)
        else:
            finish(run, processes=options.processes)
    except CorpusError:
        # The run would be refused again, and `--resume last` must find the run before it.
        if options.resume is None:
            shutil.rmtree(run.folder, ignore_errors=True)
        raise
    result = {"run": str(run.folder), **run.read_record()}
    return json.dumps(result, ensure_ascii=False) if options.json else summarize(result)


def start_run(overrides: Sequence[str], resume: str | None) -> RunFolder:
    """Return a new run, or an existing one to resume.

    Args:
        overrides: changes of the configuration, in Hydra's grammar; none with `resume`, as a run keeps its
            configuration.
        resume: name of a run, or `last`.

    Raises:
        RunError: There is no such run, or it is a sweep.
        TrainingError: Something that the configuration names does not exist.
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
    folders = sorted((record.parent for record in runs.glob("*/run.json")), key=lambda folder: folder.stat().st_mtime)
    found = [folder for folder in folders if not run_folder.is_sweep(folder)]
    if resume in {folder.name for folder in folders} - {folder.name for folder in found}:
        raise RunError(f"{resume} is a sweep, which publishes nothing: the same `akin train sweep` continues it.")
    chosen = [folder for folder in found if folder.name == resume] if resume != "last" else found[-1:]
    if not chosen:
        names = ", ".join(folder.name for folder in found) or "none"
        raise RunError(f"there is no run {resume!r} in {runs}; there are: {names}.")
    return run_folder.open_run(chosen[0])


def finish(run: RunFolder, *, processes: int = 1) -> None:
    """Run the stages that are not done yet, in order; train in several processes if there is more than one.

    Raises:
        CorpusError: The pairs do not fill a batch for each process.
    """
    if processes > 1 and not run.is_done("train"):
        run_stages(run, UNTIL_PAIRS)
        pairs, configuration = run.require_stage("pairs") / PAIRS_FILE, run.configuration
        require_batches(
            pairs,
            configuration.trainer.batch_size,
            processes=processes,
            distinct=lambda kind: configuration.loss_of(kind).in_batch_negatives,
        )
        run_stages(run, BEFORE_TRAINING)
        prepare_losses(run)
        with log_duration("train"):
            train_distributed(run, processes)
    run_stages(run)


def prepare_losses(run: RunFolder) -> None:
    """Calculate once what each of several processes would calculate: the vectors of teachers."""
    from training.fit.fine_tune import group_by_loss
    from training.pipeline.stages.train import teacher_store

    pairs, configuration = run.require_stage("mine") / PAIRS_FILE, run.configuration
    for loss, kinds in group_by_loss(configuration.loss_of, read_texts(pairs)).items():
        loss.prepare(PairFile(pairs, kinds, teacher_store(configuration)))


def profile_training(run: RunFolder) -> None:
    """Run the stages before training, then profile a few training steps."""
    from training.pipeline.stages import train

    run_stages(run, BEFORE_TRAINING)
    train.run_stage(run, profile=PROFILED_STEPS)
    table = run.folder / "profile" / "table.txt"
    log_progress(table.read_text())
    run.record(profile={"trace": "profile/trace.json", "table": "profile/table.txt"})


def summarize(result: dict[str, Any]) -> str:
    """Return a finished run in a few lines."""
    lines = [f"run {result['run']}"]
    if after := result.get("training", {}).get("after"):
        before = result["training"]["before"]
        lines.append(f"MRR@10 on validation {before['MRR@10']:.4f} → {after['MRR@10']:.4f}")
    if version := result.get("version"):
        lines.append(f"encoder version {version['number']}" + (", promoted" if version["promoted"] else ""))
    if "profile" in result:
        lines.append(f"trace and table in {result['run']}/profile")
    return "\n".join(lines)


def train_distributed(run: RunFolder, processes: int) -> None:
    """Train in several processes of this machine, with torchrun.

    Raises:
        RunError: A process failed.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "training.pipeline.stage", "train", "--folder", str(run.folder)]
    if code := subprocess.run(command, check=False).returncode:
        raise RunError(f"training in {processes} processes ended with exit code {code}; their messages are above.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.pipeline.run",
        description="Train an encoder: prepare, pairs, mine, train, compress, evaluate, export. The "
        "result is a new version, which is promoted only if it is the first.",
        epilog="example: python -m training.pipeline.run experiment=arxiv_cpu data.papers=papers.jsonl.gz",
    )
    parser.add_argument("overrides", nargs="*", metavar="GROUP=NAME|KEY=VALUE", help="see docs/training.md")
    parser.add_argument("--resume", metavar="RUN", help="resume a run by its name; `last` is the newest, no sweep")
    parser.add_argument("--profile", action="store_true", help="profile a few steps instead of training")
    parser.add_argument("--processes", type=int, default=1, help="processes to train in, one for each GPU")
    parser.add_argument("--json", action="store_true", help="print run.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
