"""Describe the training of a version in its manifest, completely enough to repeat it without the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
