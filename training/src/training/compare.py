"""Compares ways to compress an encoder: what each costs in relevance, and what it gains in time and size.

Usage: python -m training.compare calibration|pruning --calibration PAPERS --set FOLDER … --output DIR [--source MODEL]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from papers.durable import replace_file
from training.errors import EvaluationError, TrainingError
from training.evaluation import Report, System, VersionSystem, evaluate, read_collection
from training.evaluation.metrics import PRIMARY
from training.evaluation.plots import save
from training.export import export
from training.progress import say, stage
from training.prune import Pruning
from training.quantize import Recipe

FP32 = "FP32"
SHIPPED = "INT8"
_TIMED_TEXTS = 64
_ROUNDS = 5


def unquantized(graph: Any, *_: Any) -> Any:
    """In place of the quantiser: the graph as it is."""
    return graph


@dataclass(frozen=True)
class Variant:
    """One way to compress: the arguments of `training.export.export` in which it differs from what ships."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


BASELINE = Variant(FP32, {"quantizer": unquantized})
VARIANTS: dict[str, tuple[Variant, ...]] = {
    "calibration": (
        BASELINE,
        Variant(SHIPPED),
        Variant("INT8, no smoothing", {"recipe": Recipe(strengths=(0.0,))}),
        Variant("INT8, ranges not cut", {"recipe": Recipe(cuts=(1.0,))}),
        Variant("INT8, smoothing up to 0.95", {"recipe": Recipe(strengths=(0.0, 0.5, 0.6, 0.7, 0.8, 0.95))}),
        Variant("INT8, 50 texts", {"calibration_texts": 50}),
    ),
    "pruning": (
        BASELINE,
        Variant(SHIPPED),
        Variant("INT8, 5 layers", {"pruning": Pruning(layers=5)}),
        Variant("INT8, 4 layers", {"pruning": Pruning(layers=4)}),
        Variant("INT8, 3 layers", {"pruning": Pruning(layers=3)}),
        Variant("INT8, tokens seen 5 times", {"pruning": Pruning(token_count=5)}),
    ),
}


@dataclass(frozen=True)
class Cost:
    """What a variant takes.

    Attributes:
        megabytes: of the graph and the tokenizer.
        passage_ms: a text, in a batch of passages; median of rounds.
        query_ms: a text alone; median of rounds.
        mean_cosine: to the model it was made from, pruned where it was pruned.
    """

    megabytes: float
    passage_ms: float
    query_ms: float
    mean_cosine: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 is success, 1 a refusal in words on standard error, 2 a wrong argument."""
    options = _parser().parse_args(arguments)
    # Libraries print; standard output is for the result alone.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            compare(
                VARIANTS[options.what],
                options.source,
                calibration_papers=options.calibration,
                mapping=options.map,
                sets=options.set,
                output=options.output,
            )
        except TrainingError as error:
            say(f"compare: {error}")
            return 1
    if options.json:
        print(json.dumps({"folder": str(options.output)}))
    else:
        print((options.output / "comparison.md").read_text(encoding="utf-8"))
    return 0


def compare(
    variants: Sequence[Variant],
    wanted: str | None,
    *,
    calibration_papers: Path,
    sets: Sequence[Path],
    output: Path,
    mapping: str | None = None,
    resamples: int = 10_000,
) -> Report:
    """Exports every variant, evaluates it against the first and times it.

    Args:
        variants: the first is the baseline.
        wanted: the model, as `training.export` takes it.
        calibration_papers: a file of papers.
        sets: folders in BEIR's layout.
        output: gets `comparison.md`, `tradeoff.png` and the evaluation's report.
        mapping: of the papers' fields, where the file needs one.
        resamples: of the bootstrap.

    Raises:
        TrainingError: A variant cannot be made, or a set cannot be read.
    """
    if not sets:
        raise EvaluationError("there is nothing to evaluate on: give at least one folder in BEIR's layout.")
    first = read_collection(sets[0])
    systems: dict[str, System] = {}
    costs: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory(prefix="akin-compare-") as scratch:
        for variant in variants:
            with stage(variant.name):
                made = export(
                    wanted, calibration_papers=calibration_papers, repository=Path(scratch), mapping=mapping,
                    faithful=False, **variant.options,
                )  # fmt: skip
                folder = Path(made["folder"])
                system = VersionSystem(folder)
                systems[variant.name] = system
                costs[variant.name] = Cost(
                    megabytes=sum((folder / name).stat().st_size for name in ("model.onnx", "tokenizer.json")) / 1e6,
                    passage_ms=_milliseconds(system.encode_passages, first.passages[:_TIMED_TEXTS]),
                    query_ms=_milliseconds(system.encode_queries, first.queries[:1]),
                    mean_cosine=made["parity"]["mean_cosine"],
                )
        report = evaluate(systems, sets, output, baseline=variants[0].name, resamples=resamples)
    try:
        replace_file(output / "comparison.md", table(report, costs).encode())
        save(tradeoff(report, costs), output / "tradeoff.png")
    except OSError as error:
        raise EvaluationError(f"cannot write into {output}: {error.strerror}.") from error
    return report


def _milliseconds(run: Callable[[list[str]], Any], texts: list[str]) -> float:
    """The median time a text over rounds; the first round is not counted."""
    run(texts)
    rounds = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        run(texts)
        rounds.append((time.perf_counter() - start) * 1000 / len(texts))
    return median(rounds)


def table(report: Report, costs: Mapping[str, Cost]) -> str:
    """A line a variant: cost, and by set the deciding measure with its difference to the baseline."""
    head = ["variant", "MB", "ms a passage", "ms a query", "cosine", *(f"{name} {PRIMARY}" for name in report.sets)]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name, cost in costs.items():
        cells = [name, f"{cost.megabytes:.1f}", f"{cost.passage_ms:.2f}", f"{cost.query_ms:.2f}"]
        cells.append(f"{cost.mean_cosine:.4f}")
        for set_name in report.sets:
            score = report.score(set_name, name, PRIMARY)
            apart = report.difference(set_name, name, report.baseline, PRIMARY)
            told = f" ({apart.difference:+.4f} [{apart.low:+.4f}, {apart.high:+.4f}])" if apart else ""
            cells.append(f"{score.mean:.4f}{told}" if score else "–")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def tradeoff(report: Report, costs: Mapping[str, Cost]) -> Figure:
    """Relevance over time: a point a variant, its mean over the sets."""
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.compare",
        description="Export an encoder in several ways and measure what each costs in relevance and gains in time.",
    )
    parser.add_argument("what", choices=sorted(VARIANTS), help="which ways")
    parser.add_argument("--source", metavar="MODEL", help="a folder or a hub id (default: the packaged model)")
    parser.add_argument("--calibration", metavar="PAPERS", type=Path, required=True, help="papers to calibrate with")
    parser.add_argument("--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title")
    parser.add_argument(
        "--set", metavar="FOLDER", type=Path, action="append", default=[], help="a test collection; repeatable"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="where the tables and plots go")
    parser.add_argument("--json", action="store_true", help="print where they are as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
