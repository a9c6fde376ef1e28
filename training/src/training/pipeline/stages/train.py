"""`train`: the model is fine-tuned on the pairs that mining left. The one stage that a killed run resumes within."""

from __future__ import annotations

import json
import os
import shutil

from training import disk
from training.fit.fine_tune import CHECKPOINTS, Task, fine_tune, resumable
from training.pipeline.run_folder import DONE, RunFolder, revision
from training.pipeline.stages.pairs import FILE

FIGURES = "figures.json"


def run_stage(run: RunFolder, *, profile: int = 0) -> None:
    """Writes the model into a folder with the run's name, `metrics.jsonl` and `figures.json`.

    Args:
        run: the run.
        profile: steps to look into instead of training, whose trace and table go into `profile/`; 0 trains.
    """
    task = make_task(run, profile=profile)
    by = revision()
    figures = {**fine_tune(task), "revision": by}
    if profile or int(os.environ.get("RANK", "0")):
        return
    shutil.rmtree(task.folder / "cache", ignore_errors=True)
    with disk.translate_write_errors(task.folder):
        (task.folder / FIGURES).write_text(json.dumps(figures, indent=2) + "\n")
        run.mark_done("train")
        # A model that is there needs them no more, and what trains again is not to find them.
        shutil.rmtree(task.folder / CHECKPOINTS, ignore_errors=True)
    run.record(training=figures)


def renew(run: RunFolder) -> None:
    """Removes what an earlier training left in a run, unless it was killed and this one goes on from its checkpoints.

    Raises:
        RunError: A stage before it is not done, or something cannot be removed.
    """
    task = make_task(run)
    with disk.translate_write_errors(task.folder):
        if task.folder.exists() and ((task.folder / DONE).exists() or not resumable(task)):
            shutil.rmtree(task.folder)


def make_task(run: RunFolder, *, profile: int = 0) -> Task:
    """What training is to do in a run.

    Raises:
        RunError: A stage before it is not done.
    """
    sets = run.require_stage("prepare") / "sets"
    return Task(
        configuration=run.configuration,
        digest=run.digest("train"),
        pairs=run.require_stage("mine") / FILE,
        validation=tuple(sorted(sets.glob("validation_*"))),
        folder=run.stage_folder("train"),
        name=run.folder.name,
        profile=profile,
    )
