"""Describe the training of a version in its manifest, completely enough to repeat it without the run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from training.pipeline.run_folder import RunFolder

DECIDING = ("seed", "data", "mine", "model", "loss", "matryoshka", "trainer")


def provenance(run: RunFolder) -> dict[str, Any]:
    """Return the base model, the corpus, the code and the configuration of a run.

    Raises:
        RunError: A stage of the run is not done.
    """
    figures = _read(run.need("train") / "figures.json")
    plain = _without_folders(msgspec.to_builtins(run.configuration))
    return {
        "experiment": run.configuration.name,
        # None if an earlier version of the code trained the model and did not record it.
        "revision": figures.get("revision"),
        "base": figures.get("base"),
        "corpus": _read(run.need("prepare") / "split.json")["papers"],
        "pairs": {
            "count": sum(_read(run.need("pairs") / "counts.json").values()),
            "sha256": figures.get("pairs_sha256"),
            **plain["pairs"],
        },
        "steps": figures["steps"],
        "precision": figures["precision"],
        **{part: plain[part] for part in DECIDING},
        "environment": run.recorded().get("environment"),
    }


def summary(training: Mapping[str, Any]) -> dict[str, str]:
    """Return the training in a few lines, for the model card."""
    base, code = training["base"] or {}, training["revision"] or {}
    corpus, pairs, trainer = training["corpus"], training["pairs"], training["trainer"]
    loss = {name: value for name, value in training["loss"].items() if name != "kind"}
    return {
        "fine-tuned from": f"{base.get('source', 'unknown')}, SHA-256 `{base.get('weights_sha256', 'unknown')}`",
        "corpus": f"{corpus['file']}, {corpus['read']:,} papers, SHA-256 `{corpus['sha256']}`",
        "pairs": f"{pairs['count']:,} ({_join(pairs['shares'])}), mined: {training['mine']['kind']}",
        "loss": f"{training['loss']['kind']} ({_join(loss)})",
        "training": f"{training['steps']:,} steps of {trainer['batch_size']} pairs, learning rate "
        f"{trainer['learning_rate']:g}, {training['precision']}, seed {training['seed']}, base's share "
        f"{trainer['base_weight']:g}",
        "code": f"revision `{code.get('commit') or 'unknown'}`" + (", changed" if code.get("changed") else ""),
    }


def _join(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _without_folders(value: Any) -> Any:
    """Return the configuration with only the last part of each path, so that no path of this machine is published."""
    if isinstance(value, dict):
        return {name: _without_folders(inner) for name, inner in value.items()}
    return Path(value).name if isinstance(value, str) and value.startswith(("/", ".", "~")) else value


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found
