"""What a trained version came of, told in its manifest: enough to train it again when the run's folder is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from training.pipeline.run_folder import RunFolder

DECIDING = ("seed", "data", "mine", "model", "loss", "matryoshka", "trainer")


def provenance(run: RunFolder) -> dict[str, Any]:
    """The base model, the corpus, the code and the configuration of a run whose training is done.

    Raises:
        RunError: A stage of it is not done.
    """
    figures = _read(run.require_stage("train") / "figures.json")
    plain = _without_places(msgspec.to_builtins(run.configuration))
    return {
        "experiment": run.configuration.name,
        # None where a training of an earlier version of the code did not tell.
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
        **{part: plain[part] for part in DECIDING},
        "environment": run.read_record().get("environment"),
    }


def summary(training: Mapping[str, Any]) -> dict[str, str]:
    """The same in a few lines, for the model card."""
    base, code = training["base"] or {}, training["revision"] or {}
    corpus, pairs, trainer = training["corpus"], training["pairs"], training["trainer"]
    loss = {name: value for name, value in training["loss"].items() if name != "kind"}
    return {
        "fine-tuned from": f"{base.get('source', 'unknown')}, SHA-256 `{base.get('weights_sha256', 'unknown')}`",
        "corpus": f"{corpus['file']}, {corpus['read']:,} papers, SHA-256 `{corpus['sha256']}`",
        "pairs": f"{pairs['count']:,} ({_listed(pairs['shares'])}), mined: {training['mine']['kind']}",
        "loss": f"{training['loss']['kind']} ({_listed(loss)})",
        "training": f"{training['steps']:,} steps of {trainer['batch_size']} pairs, learning rate "
        f"{trainer['learning_rate']:g}, {training['precision']}, seed {training['seed']}, base's share "
        f"{trainer['base_weight']:g}",
        "code": f"revision `{code.get('commit') or 'unknown'}`" + (", changed" if code.get("changed") else ""),
    }


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _without_places(value: Any) -> Any:
    """The configuration with the last part of every path alone: where things lie on a machine concerns nobody else."""
    if isinstance(value, dict):
        return {name: _without_places(inner) for name, inner in value.items()}
    return Path(value).name if isinstance(value, str) and value.startswith(("/", ".", "~")) else value


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found
