"""Tracking: a run's parameters and figures, written to MLflow or Weights & Biases beside the run's own folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.errors import ConfigurationError
from training.fit.config import MLflowConfig, TrackingConfig, WandbConfig

Parameters = Mapping[str, Any]
"""Values of the configuration by their flat keys, such as `trainer.learning_rate`."""


class Tracker:
    """Destination of figures. This class writes none: the run's own files hold them."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Write the figures of a step."""

    def finish(self, *, failed: bool = False) -> None:
        """End the run."""


class _MLflow(Tracker):
    """Run in MLflow's file store."""

    def __init__(self, settings: MLflowConfig, parameters: Parameters, run: str, folder: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # MLflow recommends a database; a folder of small files lacks only features that are not used here.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow.tracking import MlflowClient

        store = Path(settings.folder or folder).absolute()
        store.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=store.as_uri())
        known = self._client.get_experiment_by_name(settings.experiment)
        experiment = known.experiment_id if known else self._client.create_experiment(settings.experiment)
        self._run = self._client.create_run(experiment, run_name=run).info.run_id
        for name, value in parameters.items():
            self._client.log_param(self._run, name, value)

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Write the figures of a step."""
        for name, value in figures.items():
            self._client.log_metric(self._run, name.replace("@", "_at_"), value, step=step)

    def finish(self, *, failed: bool = False) -> None:
        """Mark the run as finished or failed."""
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


class _Wandb(Tracker):
    """Run of Weights & Biases. Offline it is a folder that `wandb sync` can send later."""

    def __init__(self, settings: WandbConfig, parameters: Parameters, run: str, folder: Path) -> None:
        import wandb

        if settings.mode == "online" and not os.environ.get("WANDB_API_KEY"):
            raise ConfigurationError(
                "tracking.mode is online and WANDB_API_KEY is not set: put the key into the environment, "
                "or choose tracking.mode=offline."
            )
        self._run = wandb.init(
            project=settings.project,
            name=run,
            dir=str(folder),
            mode=settings.mode,
            config=dict(parameters),
            settings=wandb.Settings(
                console="off", silent=True, x_disable_stats=True, disable_code=True, disable_git=True
            ),
        )

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Write the figures of a step."""
        self._run.log(dict(figures), step=step)

    def finish(self, *, failed: bool = False) -> None:
        """End the run and write what is buffered."""
        self._run.finish(exit_code=int(failed))


NO_TRACKER = Tracker()


@contextmanager
def track(
    settings: TrackingConfig, parameters: Parameters, run: str, *, folder: Path, store: Path
) -> Iterator[Tracker]:
    """Yield a tracker, and end its run afterwards: as failed if an error ended the training.

    Args:
        settings: choice of the tracker.
        parameters: values to write down.
        run: name of the run.
        folder: folder of the run, for files of Weights & Biases.
        store: folder of MLflow's file store if the settings name none.

    Raises:
        ConfigurationError: The tracker is not installed or lacks its key.
    """
    tracker = NO_TRACKER
    try:
        if isinstance(settings, MLflowConfig):
            tracker = _MLflow(settings, parameters, run, store)
        elif isinstance(settings, WandbConfig):
            tracker = _Wandb(settings, parameters, run, folder)
    except ImportError as error:
        raise ConfigurationError(
            f"tracking: {error.name} is not installed here. Install the extra of that name, or choose tracking=none."
        ) from error
    try:
        yield tracker
    except BaseException:
        tracker.finish(failed=True)
        raise
    tracker.finish()
