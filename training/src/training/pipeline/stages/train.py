"""Stage `train`: fine-tune the model on the mined pairs. It is the only stage that continues in the middle."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from training.data.config import NeighboursConfig
from training.errors import translate_write_errors
from training.fit.fine_tune import CHECKPOINTS, Task, fine_tune, is_resumable
from training.pipeline.configuration import Configuration
from training.pipeline.run_folder import DONE_FILE, RunFolder, revision
from training.pipeline.stages.pairs import PAIRS_FILE
from training.pipeline.tracked import tracking_store

FIGURES_FILE = "figures.json"
LOSS_FILE = "loss.csv"
"""Loss and learning rate by step, for `dvc plots`."""


def run_stage(run: RunFolder, *, profile: int = 0) -> None:
    """Write the model into a folder with the run's name, `metrics.jsonl`, `loss.csv` and `figures.json`.

    Args:
        run: the run.
        profile: number of steps to profile instead of training, with the result in `profile/`; 0 trains.
    """
    task = make_task(run, run.configuration, profile=profile)
    code = revision()
    figures = {**fine_tune(task), "revision": code}
    if profile or int(os.environ.get("RANK", "0")):
        return
    shutil.rmtree(task.folder / "cache", ignore_errors=True)
    with translate_write_errors(task.folder):
        (task.folder / FIGURES_FILE).write_text(json.dumps(figures, indent=2) + "\n")
        write_loss(task.folder)
        run.mark_done("train")
        # A finished model does not need its checkpoints, and a new training must not find them.
        shutil.rmtree(task.folder / CHECKPOINTS, ignore_errors=True)
    run.record(training=figures)


def write_loss(folder: Path) -> None:
    """Write `loss.csv` from the lines of `metrics.jsonl` that have a loss.

    Raises:
        OSError: A file cannot be read or written.
    """
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    with (folder / LOSS_FILE).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ("step", "loss", "learning_rate"), extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(line for line in lines if "loss" in line)


def remove_stale_output(run: RunFolder) -> None:
    """Remove the output of an earlier training, unless that was killed and this one can continue from its checkpoints.

    Raises:
        RunError: An earlier stage is not done, or something cannot be removed.
    """
    task = make_task(run, run.configuration)
    with translate_write_errors(task.folder):
        if task.folder.exists() and ((task.folder / DONE_FILE).exists() or not is_resumable(task)):
            shutil.rmtree(task.folder)


def make_task(run: RunFolder, configuration: Configuration, *, profile: int = 0) -> Task:
    """Return the training of a run.

    Args:
        run: run whose earlier stages are done.
        configuration: configuration of the run, or of a trial that shares the run's pairs.
        profile: number of steps to profile instead of training.

    Raises:
        RunError: An earlier stage is not done.
    """
    sets = run.require_stage("prepare") / "sets"
    return Task(
        name=run.folder.name,
        folder=run.stage_folder("train"),
        pairs=run.require_stage("mine") / PAIRS_FILE,
        validation=tuple(sorted(sets.glob("validation_*"))),
        digest=RunFolder(run.folder, configuration).digest("train"),
        seed=configuration.seed,
        model=configuration.model,
        loss=configuration.loss,
        kind_losses=configuration.losses,
        matryoshka=configuration.matryoshka,
        trainer=configuration.trainer,
        labelled=configuration.pairs.labelled,
        keep_blocks=isinstance(configuration.mine, NeighboursConfig),
        tracking=configuration.tracking,
        teacher_store=teacher_store(configuration),
        tracking_store=tracking_store(configuration),
        parameters=flatten(configuration),
        profile=profile,
    )


def teacher_store(configuration: Configuration) -> Path:
    """Return the folder for the vectors of teachers, which all runs share."""
    return Path(configuration.paths.data) / "teacher-vectors"


def flatten(configuration: Configuration) -> dict[str, Any]:
    """Return the configuration by flat keys, without the machine's paths and the settings of tracker and sweep."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            flat[prefix] = value

    plain = msgspec.to_builtins(configuration)
    for part in ("paths", "tracking", "sweep"):
        plain.pop(part)
    walk("", plain)
    return flat
