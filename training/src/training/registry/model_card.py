"""Write the model card of a version: its origin, its compression, its search quality, its limits.

A version folder never changes after it is published, so the card is written beside the versions, with the evaluation
that it quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from akin.storage.durable import replace_file
from retrieval_service.search.request import Mode
from training.errors import EvaluationError
from training.evaluation import markdown
from training.evaluation.report import EvaluationReport
from training.evaluation.served import served_name

MODEL_CARD_FILE = "model_card.md"


def write(manifest: Mapping[str, Any], report: EvaluationReport, encoder: str, folder: Path) -> Path:
    """Write the card into a folder and return its path.

    Args:
        manifest: manifest of the version.
        report: an evaluation of the version.
        encoder: name of the version in the report.
        folder: folder to write into.

    Raises:
        EvaluationError: The card cannot be written.
    """
    path = folder / MODEL_CARD_FILE
    try:
        replace_file(path, render(manifest, report, encoder).encode())
    except OSError as error:
        raise EvaluationError(f"cannot write {path}: {error.strerror}.") from error
    return path


def render(manifest: Mapping[str, Any], report: EvaluationReport, encoder: str) -> str:
    """Return the card as Markdown."""
    system = served_name(encoder, Mode.HYBRID)
    base, recipe, parity = (manifest.get(key, {}) for key in ("base", "recipe", "parity"))
    calibration = recipe.get("calibration", {})
    parts = [
        f"# {manifest['name']}, {encoder} of Akin's encoder",
        f"Turns a text into a vector of length one with {manifest['dim']} dimensions. The inner product of two vectors "
        f"is the similarity of their texts. The first {manifest['max_length']} tokens of a text are read"
        f"{', its prompt among them' if manifest.get('prompts') else ''}.",
        "## Made from",
        _list(
            {
                "weights": f"{base.get('source', 'unknown')}, SHA-256 `{base.get('weights_sha256', 'unknown')}`",
                **{f"prompt of a {kind}": f"`{text}`" for kind, text in manifest.get("prompts", {}).items() if text},
                "dimensions kept of each vector": recipe.get("dimensions"),
                "precision": recipe.get("precision"),
                **{f"not {name} because": reason for name, reason in recipe.get("instead_of", {}).items()},
                "compression": recipe.get("method", "none"),
                "activations": recipe.get("activations"),
                "weights' precision": recipe.get("weights"),
                "calibrated with": _calibration(calibration),
                **(_training_facts(manifest["training"]) if "training" in manifest else {}),
                "created": manifest.get("created"),
                "digest": f"`{manifest['digest']}`",
            }
        ),
        "## Parity with the original",
        _list(
            {
                "mean cosine to FP32": _figure(parity.get("mean_cosine")),
                "worst text": _figure(parity.get("min_cosine")),
                "alone against batched": _figure(parity.get("alone_vs_batched"), 6),
                "texts": parity.get("texts"),
            }
        ),
        "## Search quality",
        # A report of release 0.1 has one search for each encoder.
        _summary(report, system if system in report.systems else encoder),
        f"Intervals hold {report.settings['confidence']:.0%} of {report.settings['resamples']:,} paired bootstrap "
        f"resamples over queries. Measured on {markdown.machine(report)}, {report.created}. "
        "All metrics are in `report.md` and `report.json`.",
        "## Use, and limits",
        "For search among scientific papers by title, abstract or question, in English. Text after the first "
        f"{manifest['max_length']} tokens is not read. Scores of different encoders or versions cannot be compared: an "
        "index belongs to one digest. Sets that are not listed above were not measured. The base model's licence and "
        "the biases of its training data apply.",
    ]
    return "\n\n".join(parts) + "\n"


def _summary(report: EvaluationReport, system: str) -> str:
    """Return a table with a line for each set: the score of each system, and the difference to the baseline."""
    others = [name for name in report.systems if name != system]
    lines = [
        f"| set | metric | {' | '.join([system, *others])} | {system} – {report.baseline} |",
        f"| --- | --- |{' ---: |' * (len(others) + 2)}",
    ]
    for name in report.whole_sets:
        metrics = markdown.metrics_of(report, name)
        metric = deciding if (deciding := report.sets[name].metric) in metrics else metrics[0]
        found = [report.score(name, each, metric) for each in (system, *others)]
        cells = [f"{score.mean:.4f}" if score else "–" for score in found]
        apart = report.difference(name, system, report.baseline, metric)
        cells.append(f"{apart.difference:+.4f} [{apart.low:+.4f}, {apart.high:+.4f}]" if apart else "–")
        lines.append(f"| {name} | {metric} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _list(facts: Mapping[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items() if value is not None)


def _calibration(used: Mapping[str, Any]) -> str | None:
    if not used:
        return None
    part = f", {used['part']} part" if "part" in used else ""
    return f"{used['texts']} texts of {used['papers']}{part}"


def _figure(value: float | None, digits: int = 4) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def _training_facts(training: Mapping[str, Any]) -> dict[str, str]:
    """Return the training of a version in a few lines."""
    base, code = training["base"] or {}, training["revision"] or {}
    corpus, pairs, trainer = training["corpus"], training["pairs"], training["trainer"]
    losses = {"": training["loss"], **{f" for {kind}": loss for kind, loss in training.get("losses", {}).items()}}
    return {
        "fine-tuned from": f"{base.get('source', 'unknown')}, SHA-256 `{base.get('weights_sha256', 'unknown')}`",
        "corpus": f"{corpus['file']}, {corpus['read']:,} papers, SHA-256 `{corpus['sha256']}`",
        "pairs": f"{pairs['count']:,} ({_join(pairs['shares'])}), mined: {training['mine']['kind']}",
        "loss": "; ".join(
            f"{loss['kind']}{kind} ({_join({name: loss[name] for name in loss if name != 'kind'})})"
            for kind, loss in losses.items()
        ),
        "training": f"{training['steps']:,} steps of {trainer['batch_size']} pairs, learning rate "
        f"{trainer['learning_rate']:g}, {training['precision']}, seed {training['seed']}, base's share "
        f"{trainer['base_weight']:g}",
        "texts": _lengths(training.get("max_length"), training.get("served_max_length")),
        "code": f"revision `{code.get('commit') or 'unknown'}`" + (", changed" if code.get("changed") else ""),
    }


def _lengths(trained: int | None, served: int | None) -> str:
    """Return how many tokens of a text were read in training; an earlier version of the code did not record it."""
    if trained is None or served is None:
        return "unknown number of tokens"
    if trained < served:
        return f"trained on the first {trained} tokens of a text, although {served} are read when it is served"
    return f"trained on the first {trained} tokens of a text, as many as are read when it is served"


def _join(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
