"""Tracking in MLflow: a database of SQLite in a folder, or a server."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from training.errors import ConfigurationError
from training.progress import log_progress
from training.tracking import Parameters, Tracker
from training.tracking.config import MLflowConfig

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
VERSION = "version"
"""Name of the artefact with the files of an encoder version."""


class MLflowRun(Tracker):
    """Run in MLflow."""

    def __init__(
        self, settings: MLflowConfig, parameters: Parameters, run: str, store: Path, known: str | None
    ) -> None:
        """Continue the known run, or create one. A run that is gone is created again."""
        self._client, self._weights = open_client(settings, store), settings.weights
        self.run = self._continue(known) or self._create(settings, store, run)
        for name, value in parameters.items():
            # A continued run has the values already, as it keeps its configuration.
            if known != self.run:
                self._client.log_param(self.run, name, value)

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Write the figures of a step."""
        for name, value in figures.items():
            self._client.log_metric(self._id, metric_name(name), value, step=step)

    def describe(self, facts: Mapping[str, str]) -> None:
        """Write facts as tags of the run."""
        for name, value in facts.items():
            self._client.set_tag(self._id, name, value)

    def summarize(self, figures: Mapping[str, float]) -> None:
        """Write figures without a step."""
        for name, value in figures.items():
            self._client.log_metric(self._id, metric_name(name), value)

    def attach(self, path: Path, name: str) -> None:
        """Store a file, or the files of a folder, as artefacts under a name."""
        if path.is_dir():
            self._client.log_artifacts(self._id, str(path), name)
        else:
            self._client.log_artifact(self._id, str(path), name)

    def publish(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Store the version as artefacts, and its facts as tags by which `mirror` finds them."""
        if self._weights:
            self.attach(folder, VERSION)
        self.describe(facts)

    def finish(self, *, failed: bool = False) -> None:
        """Mark the run as finished or failed."""
        self._client.set_terminated(self._id, "FAILED" if failed else "FINISHED")

    @property
    def _id(self) -> str:
        assert self.run is not None
        return self.run

    def _continue(self, known: str | None) -> str | None:
        if known is None:
            return None
        try:
            self._client.update_run(known, status="RUNNING")
        except MlflowException:
            return None
        return known

    def _create(self, settings: MLflowConfig, store: Path, run: str) -> str:
        known = self._client.get_experiment_by_name(settings.experiment)
        place = None if settings.uri else (folder_of(settings, store) / ARTIFACTS).as_uri()
        experiment = (
            known.experiment_id
            if known
            else self._client.create_experiment(settings.experiment, artifact_location=place)
        )
        return str(self._client.create_run(experiment, run_name=run).info.run_id)


def open_client(settings: MLflowConfig, store: Path) -> MlflowClient:
    """Return a client of the database or the server, which it makes sure can be reached.

    Raises:
        ConfigurationError: Both or neither can be used; the message names the reason.
    """
    if settings.uri and settings.folder:
        raise ConfigurationError("tracking.uri and tracking.folder are two places for MLflow's runs: give one of them.")
    address = settings.uri
    if not address:
        folder = folder_of(settings, store)
        folder.mkdir(parents=True, exist_ok=True)
        database = folder / DATABASE
        address = f"sqlite:///{database}"
        if not database.exists() and any(folder.glob("*/meta.yaml")):
            log_progress(
                f"tracking: {folder} has runs of an earlier release, in files. To see them beside the new ones: "
                f"mlflow migrate-filestore --source {folder} --target {address}"
            )
    try:
        client = MlflowClient(tracking_uri=address, registry_uri=address)
        client.search_experiments(max_results=1)
    except MlflowException as error:
        where = "tracking.uri" if settings.uri else "tracking.folder"
        raise ConfigurationError(f"MLflow cannot be used at {address}: {error.message} Correct {where}.") from error
    return client


def folder_of(settings: MLflowConfig, store: Path) -> Path:
    """Return the folder of the database."""
    return Path(settings.folder or store).expanduser().absolute()


def metric_name(name: str) -> str:
    """Return a name of a figure with the characters that MLflow allows."""
    return re.sub(r"[^\w\-./ ]", "_", name.replace("@", "_at_"))
