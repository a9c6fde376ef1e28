"""Description of a training for the manifest of its version, complete enough to repeat the training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from training.pipeline.run_folder import RunFolder

PARTS = ("seed", "data", "mine", "model", "loss", "losses", "matryoshka", "trainer")
"""Parts of the configuration that are copied as they are."""


def describe_training(run: RunFolder) -> dict[str, Any]:
    """Return the base model, the corpus, the code and the configuration of a run that has been trained.

    Raises:
        RunError: A stage of the run is not done.
    """
    figures = _read(run.require_stage("train") / "figures.json")
    plain = _without_folders(msgspec.to_builtins(run.configuration))
    return {
        "experiment": run.configuration.name,
        # None if an earlier version of the code made the run: it did not record this value.
        "revision": figures.get("revision"),
        "base": figures.get("base"),
        "corpus": _read(run.require_stage("prepare") / "split.json")["papers"],
        "pairs": {
            "count": sum(_read(run.require_stage("pairs") / "counts.json").values()),
            "sha256": figures.get("pairs_sha256"),
            **plain["pairs"],
        },
        "steps": figures["steps"],
        "precision": figures["precision"],
        "max_length": figures.get("max_length"),
        "served_max_length": figures.get("served_max_length"),
        **{part: plain[part] for part in PARTS},
        "environment": run.read_record().get("environment"),
    }


def _without_folders(value: Any) -> Any:
    """Return the configuration with only the last part of each path, as a manifest must not describe a machine."""
    if isinstance(value, dict):
        return {name: _without_folders(inner) for name, inner in value.items()}
    return Path(value).name if isinstance(value, str) and value.startswith(("/", ".", "~")) else value


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found
