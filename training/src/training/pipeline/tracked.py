"""Add to the tracked run what the stages after training made: the evaluation, the version and its origin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from training.pipeline.configuration import Configuration
from training.pipeline.run_folder import RunFolder
from training.tracking import Tracker, continue_run


def tracking_store(configuration: Configuration) -> Path:
    """Return the folder of MLflow's database where the settings name no place."""
    return Path(configuration.paths.data) / "mlruns"


def tracker_of(run: RunFolder) -> AbstractContextManager[Tracker]:
    """Return the tracker of a run that has been trained; it writes nothing if the training was not tracked."""
    configuration = run.configuration
    return continue_run(
        configuration.tracking,
        run.folder.name,
        folder=run.stage_folder("train"),
        store=tracking_store(configuration),
    )


def add_evaluation(run: RunFolder, means: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Add the means of an evaluation, by set, system and metric, and its report with its plots."""
    with tracker_of(run) as tracker:
        tracker.summarize(
            {
                f"{of_set}/{system}/{metric}": value
                for of_set, systems in means.items()
                for system, metrics in systems.items()
                for metric, value in metrics.items()
            }
        )
        tracker.attach(run.stage_folder("evaluate"), "evaluation")


def add_version(run: RunFolder, manifest: Mapping[str, Any], report: Path) -> None:
    """Add an exported version: its files, its report and model card, the code and the corpus that it came from.

    Args:
        run: run that exported it.
        manifest: manifest of the version, with its `folder`.
        report: folder of its report and model card.
    """
    training = manifest.get("training") or {}
    code = training.get("revision") or {}
    facts = {
        "encoder_version": str(manifest["version"]),
        "encoder_digest": manifest["digest"],
        "git_revision": f"{code.get('commit') or 'unknown'}{' (changed)' if code.get('changed') else ''}",
        "corpus": json.dumps(training.get("corpus")),
    }
    with tracker_of(run) as tracker:
        tracker.attach(report, "report")
        tracker.publish(Path(manifest["folder"]), facts)
