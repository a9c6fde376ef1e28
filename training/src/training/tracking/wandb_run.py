"""Tracking in Weights & Biases: online, or in a folder that `wandb sync` can send later."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from training.errors import ConfigurationError
from training.tracking import Parameters, Tracker
from training.tracking.config import WandbConfig


class WandbRun(Tracker):
    """Run of Weights & Biases."""

    def __init__(
        self, settings: WandbConfig, parameters: Parameters, run: str, folder: Path, known: str | None
    ) -> None:
        """Continue the known run, or create one."""
        if settings.mode == "online" and not os.environ.get("WANDB_API_KEY"):
            raise ConfigurationError(
                "tracking.mode is online and WANDB_API_KEY is not set: put the key into the environment, "
                "or choose tracking.mode=offline."
            )
        try:
            self._run: Any = wandb.init(
                project=settings.project,
                name=run,
                id=known,
                # Offline, the folders of a run that was continued have one id; `wandb sync --append` joins them.
                resume="allow" if known and settings.mode == "online" else None,
                dir=str(folder),
                mode=settings.mode,
                config=dict(parameters) or None,
                settings=wandb.Settings(
                    console="off", silent=True, x_disable_stats=True, disable_code=True, disable_git=True
                ),
            )
        except wandb.errors.Error as error:
            raise ConfigurationError(
                f"Weights & Biases cannot be used: {error}. Correct the key or the connection, or choose "
                "tracking.mode=offline."
            ) from error
        self._settings = settings
        self.run = str(self._run.id)

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Write the figures of a step."""
        self._run.log(dict(figures), step=step)

    def describe(self, facts: Mapping[str, str]) -> None:
        """Write facts into the configuration of the run."""
        self._run.config.update(dict(facts), allow_val_change=True)

    def summarize(self, figures: Mapping[str, float]) -> None:
        """Write figures into the summary of the run."""
        self._run.summary.update(dict(figures))

    def attach(self, path: Path, name: str) -> None:
        """Store a file, or the files of a folder, as an artefact of the run."""
        artifact = wandb.Artifact(artifact_name(f"{self._run.name}-{name}"), type=name)
        if path.is_dir():
            artifact.add_dir(str(path))
        else:
            artifact.add_file(str(path))
        self._run.log_artifact(artifact)

    def publish(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Store the version, or its manifest alone, under the encoder's name, with its digest as an alias."""
        artifact = new_version(self._settings, folder, facts)
        self._run.log_artifact(artifact, aliases=[digest_alias(facts["encoder_digest"])])

    def finish(self, *, failed: bool = False) -> None:
        """End the run and write what is buffered."""
        self._run.finish(exit_code=int(failed))


def artifact_name(text: str) -> str:
    """Return a text with the characters that the name of an artefact may have."""
    return re.sub(r"[^\w\-.]", "-", text)


def new_version(settings: WandbConfig, folder: Path, facts: Mapping[str, str]) -> wandb.Artifact:
    """Return an artefact of the files of an encoder version, or of its manifest alone."""
    artifact = wandb.Artifact(artifact_name(settings.model), type="model", metadata=dict(facts))
    if settings.weights:
        artifact.add_dir(str(folder))
    else:
        artifact.add_file(str(folder / "manifest.json"))
    return artifact


def digest_alias(digest: str) -> str:
    """Return the alias of a version by its content, as other machines may give the same number to another one."""
    return f"sha-{digest[:16]}"
