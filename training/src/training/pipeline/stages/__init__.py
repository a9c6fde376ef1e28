"""Stages of a run, one module each. `akin train` runs them in order, DVC one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from training.errors import ConfigurationError
from training.pipeline.run_folder import STAGES, RunFolder
from training.progress import log_duration, log_progress

Stage = Callable[[RunFolder], None]

BEFORE_TRAINING = STAGES[: STAGES.index("train")]


def run_stages(run: RunFolder, names: Sequence[str] = STAGES) -> None:
    """Run the stages that are not done yet, in order."""
    for name in names:
        if run.is_done(name):
            log_progress(f"{name}: done before")
            continue
        with log_duration(name):
            load_stage(name)(run)


def load_stage(name: str) -> Stage:
    """Return the function of a stage. Its module is imported now and not earlier, because some load torch.

    Raises:
        ConfigurationError: There is no such stage.
    """
    if name not in STAGES:
        raise ConfigurationError(f"there is no stage {name!r}; there are: {', '.join(STAGES)}.")
    found: Stage = import_module(f"training.pipeline.stages.{name}").run_stage
    return found
