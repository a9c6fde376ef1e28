"""Where a run's parameters and figures are written beside its own folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from training.errors import ConfigurationError
from training.pipeline.configuration import Configuration, MLflow, WandB


class Tracker(Protocol):
    """A place for parameters and figures."""

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Writes figures of a step."""
        ...

    def finish(self, *, failed: bool = False) -> None:
        """Ends the run."""
        ...


class _Nowhere:
    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Leaves them to the run's own files."""

    def finish(self, *, failed: bool = False) -> None:
        """Does nothing."""


class _MLflow:
    """A run in MLflow's file store."""

    def __init__(self, settings: MLflow, configuration: Configuration, run: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # MLflow would rather have a database; a folder of small files needs none, and lacks only new features.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow.tracking import MlflowClient

        folder = Path(settings.folder or Path(configuration.paths.data) / "mlruns").absolute()
        folder.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(tracking_uri=folder.as_uri())
        known = self._client.get_experiment_by_name(settings.experiment)
        experiment = known.experiment_id if known else self._client.create_experiment(settings.experiment)
        self._run = self._client.create_run(experiment, run_name=run).info.run_id
        for name, value in parameters(configuration).items():
            self._client.log_param(self._run, name, value)

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Writes figures of a step."""
        for name, value in figures.items():
            self._client.log_metric(self._run, name.replace("@", "_at_"), value, step=step)

    def finish(self, *, failed: bool = False) -> None:
        """Marks the run as finished or failed."""
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


class _WandB:
    """A run of Weights & Biases; offline it is a folder that `wandb sync` sends later."""

    def __init__(self, settings: WandB, configuration: Configuration, run: str, folder: Path) -> None:
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
            config=parameters(configuration),
            settings=wandb.Settings(
                console="off", silent=True, x_disable_stats=True, disable_code=True, disable_git=True
            ),
        )

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Writes figures of a step."""
        self._run.log(dict(figures), step=step)

    def finish(self, *, failed: bool = False) -> None:
        """Ends the run and writes what is buffered."""
        self._run.finish(exit_code=int(failed))


NOWHERE: Tracker = _Nowhere()


@contextmanager
def track(configuration: Configuration, run: str, folder: Path) -> Iterator[Tracker]:
    """Tracking for as long as a training takes, ended as failed when that ends with an error; as `start` otherwise."""
    tracker = start(configuration, run, folder)
    try:
        yield tracker
    except BaseException:
        tracker.finish(failed=True)
        raise
    tracker.finish()


def start(configuration: Configuration, run: str, folder: Path) -> Tracker:
    """Starts tracking as the configuration says.

    Args:
        configuration: of the run; its parameters are written down.
        run: the run's name.
        folder: where a tracker may keep files of its own.

    Raises:
        ConfigurationError: The tracker is not installed or lacks its key.
    """
    settings = configuration.tracking
    try:
        if isinstance(settings, MLflow):
            return _MLflow(settings, configuration, run)
        if isinstance(settings, WandB):
            return _WandB(settings, configuration, run, folder)
    except ImportError as error:
        raise ConfigurationError(
            f"tracking: {error.name} is not installed here. Install the extra of that name, or choose tracking=none."
        ) from error
    return NOWHERE


def parameters(configuration: Configuration) -> dict[str, Any]:
    """The configuration as flat keys; paths of this machine and the tracker's own settings are left out."""
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
