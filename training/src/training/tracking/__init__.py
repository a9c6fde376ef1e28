"""Tracking: a run's parameters, figures, report and version, written to MLflow or W&B beside the run's own folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from akin.storage.durable import replace_file
from training.errors import ConfigurationError
from training.progress import log_progress
from training.tracking.config import MLflowConfig, NoTracking, TrackingConfig, WandbConfig

Parameters = Mapping[str, Any]
"""Values of the configuration by their flat keys, such as `trainer.learning_rate`."""

IDENTITY = "tracking.json"
"""File in the folder of a training with the id of its tracked run, so that a resume and later stages continue it."""


class Tracker:
    """Destination of a run's figures. This class writes none: the run's own files hold them.

    Attributes:
        run: id of the run; None if nothing is tracked.
    """

    run: str | None = None

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Write the figures of a step."""

    def describe(self, facts: Mapping[str, str]) -> None:
        """Write facts about the run: the code, the corpus, the version."""

    def summarize(self, figures: Mapping[str, float]) -> None:
        """Write figures of the whole run, such as those of an evaluation."""

    def attach(self, path: Path, name: str) -> None:
        """Store a file, or the files of a folder, under a name."""

    def publish(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Store the folder of an encoder version, with facts about it."""

    def finish(self, *, failed: bool = False) -> None:
        """End the run."""


NO_TRACKER = Tracker()


@contextmanager
def track(
    settings: TrackingConfig, parameters: Parameters, run: str, *, folder: Path, store: Path
) -> Iterator[Tracker]:
    """Yield a tracker, and end its run afterwards: as failed if an error ended the training.

    The run that `folder` already has is continued.

    Args:
        settings: choice of the tracker.
        parameters: values to write down.
        run: name of the run.
        folder: folder of the training, for the run's id and for files of Weights & Biases.
        store: folder of MLflow's database if the settings name no place.

    Raises:
        ConfigurationError: The tracker is not installed, cannot be reached or lacks its key.
    """
    known = _read_identity(settings, folder)
    tracker = _open(settings, parameters, run, folder, store, known)
    if tracker.run is not None:
        identity = {"kind": kind_of(settings), "run": tracker.run}
        replace_file(folder / IDENTITY, f"{json.dumps(identity)}\n".encode())
    try:
        yield tracker
    except BaseException:
        tracker.finish(failed=True)
        raise
    tracker.finish()


@contextmanager
def continue_run(settings: TrackingConfig, run: str, *, folder: Path, store: Path) -> Iterator[Tracker]:
    """Yield the tracker of a training that is over, for what a later stage adds.

    A tracker that fails here costs no result of the stage: its error is printed as a line. The tracker writes nothing
    if the training was not tracked.

    Args:
        settings: choice of the tracker.
        run: name of the run.
        folder: folder of the training.
        store: folder of MLflow's database if the settings name no place.
    """
    tracker: Tracker = _Careful(NO_TRACKER)
    if (known := _read_identity(settings, folder)) is not None:
        try:
            tracker = _Careful(_open(settings, {}, run, folder, store, known))
        except Exception as error:  # of any kind: the trackers' own, of the network, of a database
            _complain(error)
    try:
        yield tracker
    finally:
        tracker.finish()


def kind_of(settings: TrackingConfig) -> str:
    """Return the name of a tracker, as the group `tracking` has it."""
    return str(settings.__struct_config__.tag)


def _open(
    settings: TrackingConfig, parameters: Parameters, run: str, folder: Path, store: Path, known: str | None
) -> Tracker:
    try:
        if isinstance(settings, MLflowConfig):
            from training.tracking.mlflow_run import MLflowRun

            return MLflowRun(settings, parameters, run, store, known)
        if isinstance(settings, WandbConfig):
            from training.tracking.wandb_run import WandbRun

            return WandbRun(settings, parameters, run, folder, known)
    except ImportError as error:
        raise ConfigurationError(
            f"tracking: {error.name} is not installed here. Install the extra of that name, or choose tracking=none."
        ) from error
    return NO_TRACKER


def _read_identity(settings: TrackingConfig, folder: Path) -> str | None:
    """Return the id of the training's tracked run; None if it has none, or one of another tracker."""
    if isinstance(settings, NoTracking):
        return None
    try:
        known = json.loads((folder / IDENTITY).read_bytes())
        return str(known["run"]) if known["kind"] == kind_of(settings) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


class _Careful(Tracker):
    """Tracker whose first error ends the tracking and nothing else."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self.run = tracker.run

    def describe(self, facts: Mapping[str, str]) -> None:
        self._try("describe", facts)

    def summarize(self, figures: Mapping[str, float]) -> None:
        self._try("summarize", figures)

    def attach(self, path: Path, name: str) -> None:
        self._try("attach", path, name)

    def publish(self, folder: Path, facts: Mapping[str, str]) -> None:
        self._try("publish", folder, facts)

    def finish(self, *, failed: bool = False) -> None:
        self._try("finish", failed=failed)

    def _try(self, what: str, *arguments: Any, **named: Any) -> None:
        try:
            getattr(self._tracker, what)(*arguments, **named)
        except Exception as error:  # of any kind, as above
            _complain(error)
            self._tracker = NO_TRACKER


def _complain(error: Exception) -> None:
    log_progress(f"tracking: not written ({type(error).__name__}: {error}). The run's own folder has everything.")
