"""The model card of a version: what it is, how it was made, how well it searches, what it is not for.

A version folder never changes once it is published, so the card lies beside the versions, with the evaluation that
it quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from storage.durable import replace_file
from training.errors import EvaluationError
from training.evaluation import markdown
from training.evaluation.report import PRIMARY, EvaluationReport
from training.registry import provenance

MODEL_CARD_FILE = "model_card.md"


def write(manifest: Mapping[str, Any], report: EvaluationReport, system: str, folder: Path) -> Path:
    """Writes the card and returns its path.

    Args:
        manifest: the version's.
        report: an evaluation of it.
        system: what the version is called in the report.
        folder: where to.

    Raises:
        EvaluationError: It cannot be written.
    """
    path = folder / MODEL_CARD_FILE
    try:
        replace_file(path, render(manifest, report, system).encode())
    except OSError as error:
        raise EvaluationError(f"cannot write {path}: {error.strerror}.") from error
    return path


def render(manifest: Mapping[str, Any], report: EvaluationReport, system: str) -> str:
    """The card as Markdown."""
    base, recipe, parity = (manifest.get(key, {}) for key in ("base", "recipe", "parity"))
    calibration = recipe.get("calibration", {})
    parts = [
        f"# {manifest['name']}, {system} of Akin's encoder",
        f"Turns a text into {manifest['dim']} numbers of length one, so that the inner product of two texts says how "
        f"akin they are. It reads the first {manifest['max_length']} tokens of a text.",
        "## Made from",
        _list(
            {
                "weights": f"{base.get('source', 'unknown')}, SHA-256 `{base.get('weights_sha256', 'unknown')}`",
                "compression": recipe.get("method", "none"),
                "activations": recipe.get("activations"),
                "weights' precision": recipe.get("weights"),
                "calibrated with": f"{calibration['texts']} texts of {calibration['papers']}" if calibration else None,
                **(provenance.summary(manifest["training"]) if "training" in manifest else {}),
                "created": manifest.get("created"),
                "digest": f"`{manifest['digest']}`",
            }
        ),
        "## True to its original",
        _list(
            {
                "mean cosine to FP32": _figure(parity.get("mean_cosine")),
                "worst text": _figure(parity.get("min_cosine")),
                "alone against batched": _figure(parity.get("alone_vs_batched"), 6),
                "texts": parity.get("texts"),
            }
        ),
        "## How well it searches",
        _summary(report, system),
        f"Intervals hold {report.settings['confidence']:.0%} of {report.settings['resamples']:,} paired bootstrap "
        f"resamples over queries. Measured on {markdown.machine(report)}, {report.created}. "
        "All measures are in `report.md`, the figures in `report.json`.",
        "## Use, and limits",
        "For search among scientific papers by title, abstract or a question, in English. What lies behind the first "
        f"{manifest['max_length']} tokens is not read. Scores of two encoders, or of two versions, do not compare: an "
        "index belongs to one digest. Sets that are not listed above were not measured; the licence and the biases of "
        "the base model's training data carry over.",
    ]
    return "\n\n".join(parts) + "\n"


def _summary(report: EvaluationReport, system: str) -> str:
    """A line a set: the version, the baseline and BM25 by the deciding measure, and the difference."""
    others = [name for name in report.systems if name != system]
    lines = [
        f"| set | measure | {' | '.join([system, *others])} | {system} – {report.baseline} |",
        f"| --- | --- |{' ---: |' * (len(others) + 2)}",
    ]
    for name in report.sets:
        metrics = markdown.metrics_of(report, name)
        metric = PRIMARY if PRIMARY in metrics else metrics[0]
        found = [report.score(name, each, metric) for each in (system, *others)]
        cells = [f"{score.mean:.4f}" if score else "–" for score in found]
        apart = report.difference(name, system, report.baseline, metric)
        cells.append(f"{apart.difference:+.4f} [{apart.low:+.4f}, {apart.high:+.4f}]" if apart else "–")
        lines.append(f"| {name} | {metric} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _list(facts: Mapping[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items() if value is not None)


def _figure(value: float | None, digits: int = 4) -> str | None:
    return None if value is None else f"{value:.{digits}f}"
