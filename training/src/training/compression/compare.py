"""Compare ways to compress an encoder: the loss in relevance, and the gain in time and size.

Usage: python -m training.compression.compare calibration|pruning|quantisers --calibration PAPERS --set FOLDER …
--output DIR [--source MODEL] [--only VARIANT …]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure

from akin.storage.durable import replace_file
from retrieval_service.search.request import Mode
from training.arrays import Floats
from training.command import run_command
from training.compression import calibration, libraries, parity
from training.compression.compress import Compression, compress, reference_vectors
from training.compression.prune import Pruning
from training.compression.quantize import QuantizationRecipe
from training.encoders import EncodeAs, InputType, encode_fp32, version_encoders
from training.errors import EvaluationError
from training.evaluation import EvaluationReport, TorchSystem, VersionSystem, evaluate_systems
from training.evaluation.plots import save
from training.evaluation.report import PRIMARY
from training.evaluation.retrieval import load_collections
from training.evaluation.served import MODES, served_name
from training.evaluation.systems import System
from training.progress import log_duration, log_progress
from training.registry import source, supported

FP32 = "FP32"
SHIPPED = "INT8"
_ROUNDS = 9
_SECONDS_BETWEEN_REPORTS = 10


@dataclass(frozen=True)
class Variant:
    """Way to compress.

    Attributes:
        name: name in the table.
        how: settings; None for the static INT8 of sentence-transformers for OpenVINO.
        needs: module of a library that may be missing; the variant is then left out.
    """

    name: str
    how: Compression | None
    needs: str = ""


BASELINE = Variant(FP32, Compression("fp32"))
VARIANTS: dict[str, tuple[Variant, ...]] = {
    "calibration": (
        BASELINE,
        Variant(SHIPPED, Compression()),
        Variant("INT8, no smoothing", Compression(recipe=QuantizationRecipe(strengths=(0.0,)))),
        Variant(
            "INT8, smoothing up to 0.95",
            Compression(recipe=QuantizationRecipe(strengths=(0.0, 0.5, 0.6, 0.7, 0.8, 0.95))),
        ),
        Variant("INT8, 50 texts", Compression(texts=50)),
        # So much damping leaves no compensation.
        Variant("INT8, rounded to nearest", Compression(recipe=QuantizationRecipe(damping=1e9))),
    ),
    "quantisers": (
        BASELINE,
        Variant(SHIPPED, Compression()),
        Variant("NNCF", Compression(recipe=libraries.Nncf()), "nncf"),
        Variant("NNCF, eight-bit weights", Compression(recipe=libraries.Nncf(seven_bits=False)), "nncf"),
        Variant("NNCF, embeddings too", Compression(recipe=libraries.Nncf(embeddings=True)), "nncf"),
        Variant("ONNX Runtime, static", Compression(recipe=libraries.OnnxRuntimeStatic())),
        Variant("ONNX Runtime, percentile", Compression(recipe=libraries.OnnxRuntimeStatic("Percentile"))),
        Variant("ONNX Runtime, entropy", Compression(recipe=libraries.OnnxRuntimeStatic("Entropy"))),
        Variant(
            "ONNX Runtime, SmoothQuant",
            Compression(recipe=libraries.OnnxRuntimeStatic(smoothing=0.8)),
            "neural_compressor",
        ),
        Variant("ONNX Runtime, dynamic", Compression(recipe=libraries.OnnxRuntimeDynamic())),
        Variant("sentence-transformers, OpenVINO", None, "optimum.intel"),
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
    """Size, time and fidelity of a variant.

    Attributes:
        megabytes: size of the graph and the tokenizer.
        seconds: time of the export, with that of the parity check.
        passage_ms: milliseconds for each text of a batch of passages by runtime, median of the rounds.
        query_ms: milliseconds for a single query by runtime, median of the rounds.
        parity: cosines to the original model (to the pruned model if the variant is pruned) on texts that it was not
            calibrated with, as `parity.measure` returns them.
    """

    megabytes: float
    seconds: float
    passage_ms: Mapping[str, float]
    query_ms: Mapping[str, float]
    parity: Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """Compressed encoder.

    Attributes:
        system: what is evaluated.
        encoders: encoders by runtime, which are timed.
        megabytes: size of the graph and the tokenizer.
        seconds: time of the export.
        parity: result of `parity.measure`.
    """

    system: System
    encoders: Mapping[str, EncodeAs]
    megabytes: float
    seconds: float
    parity: Mapping[str, Any]


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
    made: dict[str, Made] = {}
    with tempfile.TemporaryDirectory(prefix="akin-compare-") as scratch:
        for number, variant in enumerate(variants):
            if variant.needs and not importlib.util.find_spec(variant.needs):
                log_progress(
                    f"{variant.name} is left out, because {variant.needs} is not installed. Install it in a copy of "
                    f"this environment (uv pip install {libraries.NEEDS[variant.needs]}) and run this module there."
                )
                continue
            folder = Path(scratch) / str(number)
            folder.mkdir()
            with log_duration(variant.name):
                make = _openvino_peer if variant.how is None else _version
                made[variant.name] = make(variant, wanted, folder, calibration_papers, mapping)
        with log_duration("timing the variants in turn"):
            passages = _milliseconds(made, list(first.passages.values())[:64], _ROUNDS)
            queries = _milliseconds(made, list(first.queries.values())[:1], _ROUNDS * 10)
        report = evaluate_systems(
            {name: each.system for name, each in made.items()}, sets, output, baseline=variants[0].name,
            resamples=resamples, cache=cache, served=Path(scratch) / "indexes",
        )  # fmt: skip
    costs = {
        name: Cost(each.megabytes, each.seconds, passages[name], queries[name], each.parity)
        for name, each in made.items()
    }
    try:
        replace_file(output / "comparison.md", table(report, costs).encode())
        save(tradeoff(report, costs), output / "tradeoff.png")
    except OSError as error:
        raise EvaluationError(f"cannot write into {output}: {error.strerror}.") from error
    return report


def _version(variant: Variant, wanted: str | None, folder: Path, papers: Path, mapping: str | None) -> Made:
    """Export a variant as a version."""
    start = time.perf_counter()
    manifest = compress(wanted, folder, calibration_papers=papers, mapping=mapping, how=variant.how, faithful=False)
    return Made(
        system=VersionSystem(folder),
        encoders=version_encoders(folder),
        megabytes=sum(manifest["files"][file]["bytes"] for file in ("model.onnx", "tokenizer.json")) / 1e6,
        seconds=time.perf_counter() - start,
        parity=manifest["parity"],
    )


def _openvino_peer(variant: Variant, wanted: str | None, folder: Path, papers: Path, mapping: str | None) -> Made:
    """Export the static INT8 of sentence-transformers, calibrated with the texts that the others get."""
    start = time.perf_counter()
    sample, _ = calibration.read_sample(papers, mapping=mapping)
    texts = calibration.draw(
        sample, calibration=Compression().texts, held_out=calibration.HELD_OUT, seed=0, where=str(papers)
    )
    model = source.load(source.resolve(wanted))
    supported.limit_length(model, source.max_length(model))
    quantized = libraries.export_openvino(model, texts.calibration, folder)

    def encode(texts: Sequence[str], input_type: InputType = "query") -> Floats:
        return encode_fp32(quantized, texts, input_type=input_type)

    measured = parity.measure({"openvino": encode}, reference_vectors(model, texts.held_out, None), texts.held_out)
    files = [*folder.glob("openvino/openvino/openvino_model_int8.*"), folder / "openvino" / "tokenizer.json"]
    return Made(
        system=TorchSystem(quantized, variant.name),
        encoders={"openvino": encode},
        megabytes=sum(file.stat().st_size for file in files) / 1e6,
        seconds=time.perf_counter() - start,
        parity=measured,
    )


def _milliseconds(made: Mapping[str, Made], texts: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Return the median time for a text by variant and runtime. Every round runs all, so load affects all alike."""
    taken: dict[str, dict[str, list[float]]] = {name: {each: [] for each in one.encoders} for name, one in made.items()}
    reported = time.monotonic()
    for number in range(1 + rounds):
        if time.monotonic() - reported >= _SECONDS_BETWEEN_REPORTS:
            reported = time.monotonic()
            log_progress(f"  {number} of {1 + rounds} rounds")
        for name, one in made.items():
            for runtime, encode in one.encoders.items():
                start = time.perf_counter()
                encode(texts)
                taken[name][runtime].append((time.perf_counter() - start) * 1000 / len(texts))
    # The first round also allocates memory for new shapes.
    return {name: {each: median(times[1:]) for each, times in one.items()} for name, one in taken.items()}


def table(report: EvaluationReport, costs: Mapping[str, Cost]) -> str:
    """Return a table with a line for each variant: its cost, and for each set its scores and differences to FP32."""
    baseline = next(iter(costs))
    runtimes = list(dict.fromkeys(runtime for cost in costs.values() for runtime in cost.passage_ms))
    head = ["variant", "MB", "s", "mean cosine", "least cosine", "alone to batched"]
    head += [f"ms a {text}, {runtime}" for text in ("passage", "query") for runtime in runtimes]
    head += [f"{name} {PRIMARY}, {how}" for name in report.whole_sets for how in MODES.values()]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name, cost in costs.items():
        cells = [name, f"{cost.megabytes:.1f}", f"{cost.seconds:.0f}"]
        cells += [f"{cost.parity[key]:.4f}" for key in ("mean_cosine", "min_cosine", "alone_vs_batched")]
        cells += [
            f"{times[runtime]:.2f}" if runtime in times else "–"
            for times in (cost.passage_ms, cost.query_ms)
            for runtime in runtimes
        ]
        cells += [_score(report, set_name, name, baseline, mode) for set_name in report.whole_sets for mode in MODES]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _score(report: EvaluationReport, set_name: str, name: str, baseline: str, mode: Mode) -> str:
    """Return a score and its difference to the baseline, bold if that is beyond chance."""
    score = report.score(set_name, served_name(name, mode), PRIMARY)
    if score is None:
        return "–"
    apart = report.difference(set_name, served_name(name, mode), served_name(baseline, mode), PRIMARY)
    if apart is None:
        return f"{score.mean:.4f}"
    bold = "**" if apart.low > 0 or apart.high < 0 else ""
    return f"{score.mean:.4f} ({bold}{apart.difference:+.4f}{bold} [{apart.low:+.4f}, {apart.high:+.4f}])"


def tradeoff(report: EvaluationReport, costs: Mapping[str, Cost]) -> Figure:
    """Return a chart of relevance in hybrid search (mean over the sets) over time, one point for each variant."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, cost in costs.items():
        hybrid = served_name(name, Mode.HYBRID)
        scores = [score.mean for set_name in report.whole_sets if (score := report.score(set_name, hybrid, PRIMARY))]
        fastest = min(cost.passage_ms.values())
        axes.scatter([fastest], [sum(scores) / len(scores)], label=f"{name}, {cost.megabytes:.0f} MB")
    axes.set_xlabel("milliseconds a passage on the faster runtime")
    axes.set_ylabel(f"{PRIMARY} of hybrid search, mean of {', '.join(report.whole_sets)}")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    return figure


def _compare(options: argparse.Namespace) -> str:
    variants = VARIANTS[options.what]
    if unknown := set(options.only) - {each.name for each in variants}:
        raise EvaluationError(
            f"there is no variant {min(unknown)!r} to compare; there are: {'; '.join(each.name for each in variants)}."
        )
    compare(
        [each for each in variants if not options.only or each is BASELINE or each.name in options.only],
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
    parser.add_argument(
        "--source",
        metavar="MODEL",
        default=source.SHIPPED,
        help=f"a recipe's name, a folder or a hub id (default: {source.SHIPPED}, as for an export)",
    )
    parser.add_argument("--calibration", metavar="PAPERS", type=Path, required=True, help="papers to calibrate with")
    parser.add_argument("--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title")
    parser.add_argument(
        "--set", metavar="FOLDER", type=Path, action="append", default=[], help="a test collection; repeatable"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder for the tables and plots")
    parser.add_argument(
        "--cache", metavar="DIR", type=Path, help="folder that keeps vectors, so that no set is encoded twice"
    )
    parser.add_argument(
        "--only", metavar="VARIANT", action="append", default=[], help="a variant to compare with FP32; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print the folder as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
