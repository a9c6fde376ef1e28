"""`train`: the model is fine-tuned on the pairs that mining left. The one stage that a killed run resumes within."""

from __future__ import annotations

import json
import os
import shutil

from training import disk
from training.fine_tune import Task, fine_tune
from training.run_folder import RunFolder
from training.stages.pairs import FILE

FIGURES = "figures.json"


def run(run: RunFolder, *, profile: int = 0) -> None:
    """Writes the model into a folder with the run's name, `metrics.jsonl` and `figures.json`.

    Args:
        run: the run.
        profile: steps to look into instead of training, whose trace and table go into `profile/`; 0 trains.
    """
    task = task_of(run, profile=profile)
    figures = fine_tune(task)
    if profile or int(os.environ.get("RANK", "0")):
        return
    shutil.rmtree(task.folder / "cache", ignore_errors=True)
    with disk.refusals(task.folder):
        (task.folder / FIGURES).write_text(json.dumps(figures, indent=2) + "\n")
        run.mark("train")
    run.record(training=figures)


def task_of(run: RunFolder, *, profile: int = 0) -> Task:
    """What training is to do in a run.

    Raises:
        RunError: A stage before it is not done.
    """
    sets = run.need("prepare") / "sets"
    return Task(
        configuration=run.configuration,
        digest=run.digest("train"),
        pairs=run.need("mine") / FILE,
        validation=tuple(sorted(sets.glob("validation_*"))),
        folder=run.stage("train"),
        name=run.folder.name,
        profile=profile,
    )
