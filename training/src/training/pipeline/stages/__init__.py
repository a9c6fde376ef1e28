"""The stages of a run, each a function of the run's folder: `akin train` calls them in order, DVC one at a time."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from training.errors import ConfigurationError
from training.pipeline.run_folder import STAGES, RunFolder

Stage = Callable[[RunFolder], None]


def load_stage(name: str) -> Stage:
    """The function of a stage. Its module is loaded only now, as some bring torch.

    Raises:
        ConfigurationError: There is no such stage.
    """
    if name not in STAGES:
        raise ConfigurationError(f"there is no stage {name!r}; there are: {', '.join(STAGES)}.")
    found: Stage = import_module(f"training.pipeline.stages.{name}").run_stage
    return found
