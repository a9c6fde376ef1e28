"""Compare ways to compress an encoder: the loss in relevance, and the gain in time and size.

Usage: python -m training.compression.compare calibration|pruning --calibration PAPERS --set FOLDER … --output DIR
[--source MODEL]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from akin.storage.durable import replace_file
from training.command import run_command
from training.compression.compress import Compression, compress
from training.compression.prune import Pruning
from training.compression.quantize import QuantizationRecipe
from training.errors import EvaluationError
from training.evaluation import EvaluationReport, VersionSystem, evaluate_systems
from training.evaluation.plots import save
from training.evaluation.report import PRIMARY
from training.evaluation.retrieval import load_collections
from training.progress import log_duration

FP32 = "FP32"
SHIPPED = "INT8"
_ROUNDS = 9


@dataclass(frozen=True)
class Variant:
    """Way to compress, with its name in the table."""

    name: str
    how: Compression


BASELINE = Variant(FP32, Compression("fp32"))
VARIANTS: dict[str, tuple[Variant, ...]] = {
    "calibration": (
        BASELINE,
        Variant(SHIPPED, Compression()),
        Variant("INT8, no smoothing", Compression(recipe=QuantizationRecipe(strengths=(0.0,)))),
        Variant("INT8, ranges not cut", Compression(recipe=QuantizationRecipe(cuts=(1.0,)))),
        Variant(
            "INT8, smoothing up to 0.95",
            Compression(recipe=QuantizationRecipe(strengths=(0.0, 0.5, 0.6, 0.7, 0.8, 0.95))),
        ),
        Variant("INT8, 50 texts", Compression(texts=50)),
    ),
    "pruning": (
        BASELINE,
        Variant(SHIPPED, Compression()),
        Variant("FP16", Compression("fp16")),
        Variant("INT8, 5 layers", Compression(pruning=Pruning(layers=5))),
        Variant("INT8, 4 layers", Compression(pruning=Pruning(layers=4))),
        Variant("INT8, 3 layers", Compression(pruning=Pruning(layers=3))),
        Variant("INT8, tokens seen 5 times", Compression(pruning=Pruning(token_count=5))),
    ),
}


@dataclass(frozen=True)
class Cost:
    """Size and time of a variant.

    Attributes:
        megabytes: size of the graph and the tokenizer.
        passage_ms: milliseconds for each text of a batch of passages, median of the rounds.
        query_ms: milliseconds for a single query, median of the rounds.
        mean_cosine: mean cosine to the original model, or to the pruned model if the variant is pruned.
    """

    megabytes: float
    passage_ms: float
    query_ms: float
    mean_cosine: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _compare, arguments)


def compare(
    variants: Sequence[Variant],
    wanted: str | None,
    *,
    calibration_papers: Path,
    sets: Sequence[Path],
    output: Path,
    mapping: str | None = None,
    resamples: int = 10_000,
    cache: Path | None = None,
) -> EvaluationReport:
    """Compress a model in every way, and time and evaluate the variants.

    Args:
        variants: the first is the baseline.
        wanted: the model, as `training.compression.compress` takes it.
        calibration_papers: a file of papers.
        sets: folders in BEIR's layout.
        output: folder for `comparison.md`, `tradeoff.png` and the evaluation's report.
        mapping: mapping of the papers' fields, if the file needs one.
        resamples: number of resamples of the bootstrap.
        cache: folder that keeps vectors, as in `evaluate_systems`.

    Raises:
        TrainingError: A variant cannot be made, or a set cannot be read.
    """
    if not sets:
        raise EvaluationError("there is nothing to evaluate on: give at least one folder in BEIR's layout.")
    (first,) = load_collections(sets[:1])
    systems: dict[str, VersionSystem] = {}
    made: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="akin-compare-") as scratch:
        for number, variant in enumerate(variants):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            with log_duration(variant.name):
                made[variant.name] = compress(
                    wanted, folder, calibration_papers=calibration_papers, mapping=mapping, how=variant.how,
                    faithful=False,
                )  # fmt: skip
                systems[variant.name] = VersionSystem(folder)
        with log_duration("timing the variants in turn"):
            passages = _milliseconds(
                {name: each.encode_passages for name, each in systems.items()}, list(first.passages.values())[:64]
            )
            queries = _milliseconds(
                {name: each.encode_queries for name, each in systems.items()}, list(first.queries.values())[:1]
            )
        report = evaluate_systems(systems, sets, output, baseline=variants[0].name, resamples=resamples, cache=cache)
    costs = {
        name: Cost(
            megabytes=sum(each["files"][file]["bytes"] for file in ("model.onnx", "tokenizer.json")) / 1e6,
            passage_ms=passages[name],
            query_ms=queries[name],
            mean_cosine=each["parity"]["mean_cosine"],
        )
        for name, each in made.items()
    }
    try:
        replace_file(output / "comparison.md", table(report, costs).encode())
        save(tradeoff(report, costs), output / "tradeoff.png")
    except OSError as error:
        raise EvaluationError(f"cannot write into {output}: {error.strerror}.") from error
    return report


def _milliseconds(run: Mapping[str, Callable[[list[str]], Any]], texts: list[str]) -> dict[str, float]:
    """Return each variant's median time for a text. Every round runs all variants, so that load affects all alike."""
    taken: dict[str, list[float]] = {name: [] for name in run}
    for _ in range(1 + _ROUNDS):
        for name, encode in run.items():
            start = time.perf_counter()
            encode(texts)
            taken[name].append((time.perf_counter() - start) * 1000 / len(texts))
    # The first round also allocates memory for new shapes.
    return {name: median(rounds[1:]) for name, rounds in taken.items()}


def table(report: EvaluationReport, costs: Mapping[str, Cost]) -> str:
    """Return a table with a line for each variant: its cost, and for each set its score and difference to FP32."""
    head = ["variant", "MB", "ms a passage", "ms a query", "cosine", *(f"{name} {PRIMARY}" for name in report.sets)]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name, cost in costs.items():
        cells = [name, f"{cost.megabytes:.1f}", f"{cost.passage_ms:.2f}", f"{cost.query_ms:.2f}"]
        cells.append(f"{cost.mean_cosine:.4f}")
        for set_name in report.sets:
            score = report.score(set_name, name, PRIMARY)
            apart = report.difference(set_name, name, report.baseline, PRIMARY)
            difference = f" ({apart.difference:+.4f} [{apart.low:+.4f}, {apart.high:+.4f}])" if apart else ""
            cells.append(f"{score.mean:.4f}{difference}" if score else "–")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def tradeoff(report: EvaluationReport, costs: Mapping[str, Cost]) -> Figure:
    """Return a chart of relevance (mean over the sets) over time, one point for each variant."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, cost in costs.items():
        scores = [score.mean for set_name in report.sets if (score := report.score(set_name, name, PRIMARY))]
        axes.scatter([cost.passage_ms], [sum(scores) / len(scores)], label=f"{name}, {cost.megabytes:.0f} MB")
    axes.set_xlabel("milliseconds a passage")
    axes.set_ylabel(f"{PRIMARY}, mean of {', '.join(report.sets)}")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    return figure


def _compare(options: argparse.Namespace) -> str:
    compare(
        VARIANTS[options.what],
        options.source,
        calibration_papers=options.calibration,
        mapping=options.map,
        sets=options.set,
        output=options.output,
        cache=options.cache,
    )
    if options.json:
        return json.dumps({"folder": str(options.output)})
    return Path(options.output, "comparison.md").read_text(encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.compression.compare",
        description="Export an encoder in several ways and measure what each costs in relevance and gains in time.",
    )
    parser.add_argument("what", choices=sorted(VARIANTS), help="the variants to compare")
    parser.add_argument("--source", metavar="MODEL", help="a folder or a hub id (default: the packaged model)")
    parser.add_argument("--calibration", metavar="PAPERS", type=Path, required=True, help="papers to calibrate with")
    parser.add_argument("--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title")
    parser.add_argument(
        "--set", metavar="FOLDER", type=Path, action="append", default=[], help="a test collection; repeatable"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder for the tables and plots")
    parser.add_argument(
        "--cache", metavar="DIR", type=Path, help="folder that keeps vectors, so that no set is encoded twice"
    )
    parser.add_argument("--json", action="store_true", help="print the folder as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
