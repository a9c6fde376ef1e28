"""Evaluate versions of the encoder, beside BM25 and the model they were made from.

Usage: python -m training.evaluation.evaluate --repository DIR --version N --set FOLDER … [--output DIR] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from training.command import run_command
from training.errors import EvaluationError
from training.evaluation import AnySystem, Bm25, TorchSystem, VersionSystem, evaluate_systems
from training.evaluation.report import REPORT_FILE
from training.progress import log_duration, log_progress
from training.registry import model_card, publish, source, supported

BASE = "base"
LEXICAL = "bm25"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), evaluate_version, arguments)


def evaluate_version(options: argparse.Namespace) -> str:
    """Evaluate a version, write its report and model card, and return the report as text, or as JSON with `--json`."""
    model = options.repository / publish.TEXT_ENCODER
    candidate = version_name(options.version)
    systems, against = load_systems(
        options.repository,
        {candidate: model / str(options.version)},
        base=options.base,
        models=options.model,
        others=options.against,
        compile=options.compile,
        runtime=options.runtime,
    )
    digest = systems[candidate].description["digest"]  # type: ignore[union-attr]  # a version has one
    folder: Path = options.output or model / publish.EVALUATIONS / digest
    report = evaluate_systems(
        systems,
        options.set,
        folder,
        baseline=against,
        comparisons=candidate_comparisons(systems, candidate, against),
        subject_papers=options.papers,
        mapping=options.map,
        resamples=options.resamples,
        seed=options.seed,
        cache=options.cache,
    )
    manifest = json.loads((model / str(options.version) / "manifest.json").read_bytes())
    model_card.write(manifest, report, candidate, folder)
    log_progress(f"written to {folder}: {REPORT_FILE}, report.md, {model_card.MODEL_CARD_FILE}, plots")
    if options.json:
        return json.dumps({**msgspec.to_builtins(report), "folder": str(folder)}, ensure_ascii=False)
    return (folder / "report.md").read_text(encoding="utf-8")


def load_systems(
    repository: Path,
    candidate: Mapping[str, Path],
    *,
    base: str,
    models: Sequence[str] = (),
    others: Sequence[int] = (),
    compile: bool = False,
    runtime: str = "auto",
) -> tuple[dict[str, AnySystem], str]:
    """Load a candidate and the systems that it is compared with: BM25, models in FP32 and other versions.

    Args:
        repository: Triton's model repository; its promoted version is one of the systems.
        candidate: the encoder's name in the report, and its folder.
        base: a model in FP32: a folder, a hub id, `default` or `none`.
        models: further models in FP32, as NAME=FOLDER.
        others: numbers of further versions.
        compile: run models in FP32 through torch.compile.
        runtime: runtime that versions run on.

    Returns:
        The systems in the report's order, with the candidate last, and the name of the baseline: the promoted version
        if there is one, otherwise the base, otherwise BM25.

    Raises:
        TrainingError: A system cannot be loaded.
    """
    model = repository / publish.TEXT_ENCODER
    serving = publish.promoted_version(model)
    systems: dict[str, AnySystem] = {LEXICAL: Bm25()}
    with log_duration("loading the systems"):
        if base != "none":
            systems[BASE] = torch_system(None if base == "default" else base, compile=compile)
        for text in models:
            name, _, folder = text.partition("=")
            if not folder:
                raise EvaluationError(f"--model {text} must be NAME=FOLDER.")
            systems[name] = torch_system(folder, compile=compile)
        versions = {version_name(number): model / str(number) for number in [*([serving] if serving else []), *others]}
        # A candidate that is also one of these versions must come last.
        for name, place in {
            **{name: versions[name] for name in versions if name not in candidate},
            **candidate,
        }.items():
            systems[name] = VersionSystem(place, runtime)
    against = version_name(serving) if serving and version_name(serving) not in candidate else BASE
    return systems, against if against in systems else LEXICAL


def candidate_comparisons(systems: Mapping[str, AnySystem], candidate: str, against: str) -> list[tuple[str, str]]:
    """Return the pairs of the candidate and each other system except the baseline, with which all are compared."""
    return [(candidate, name) for name in systems if name not in (candidate, against)]


def torch_system(wanted: str | None, *, compile: bool) -> TorchSystem:
    """Load a sentence-transformers model in FP32, which reads as many tokens as a version of it would."""
    origin = source.resolve(wanted)
    model = source.load(origin)
    supported.limit_length(model, source.max_length(model))
    weights = source.weights_sha256(model, origin)
    return TorchSystem(model, origin.name, digest=supported.model_digest(model, weights), compile=compile)


def version_name(number: int) -> str:
    """Return the name of a version in reports."""
    return f"version {number}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluation.evaluate",
        description="Measure how well a version of the encoder searches, beside BM25, the model it was made from "
        "(FP32) and the version that serves. Writes report.json, report.md, a model card and plots.",
        epilog="example: python -m training.evaluation.evaluate --repository model_repository --version 2 "
        "--set beir/cranfield",
    )
    parser.add_argument("--repository", metavar="DIR", type=Path, required=True, help="Triton's model repository")
    parser.add_argument("--version", metavar="N", type=int, required=True, help="the version to evaluate")
    parser.add_argument(
        "--against", metavar="N", type=int, action="append", default=[], help="a further version to compare; repeatable"
    )
    parser.add_argument(
        "--set",
        metavar="FOLDER",
        type=Path,
        action="append",
        default=[],
        help="a test collection in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/test.tsv); repeatable",
    )
    parser.add_argument("--papers", metavar="FILE", type=Path, help="papers with categories, to measure subjects on")
    parser.add_argument("--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title")
    parser.add_argument(
        "--base",
        metavar="MODEL",
        default="default",
        help="the model to compare in FP32 (default: the packaged model), or none",
    )
    parser.add_argument(
        "--model", metavar="NAME=FOLDER", action="append", default=[], help="a further model in FP32; repeatable"
    )
    parser.add_argument("--compile", action="store_true", help="run FP32 models through torch.compile")
    parser.add_argument(
        "--runtime", choices=("auto", "openvino", "onnxruntime"), default="auto", help="runtime of versions"
    )
    parser.add_argument("--resamples", type=int, default=10_000, help="draws of the bootstrap (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice (default: 0)")
    parser.add_argument(
        "--cache", metavar="DIR", type=Path, help="folder that keeps vectors, so that no set is encoded twice"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, help="default: evaluations/DIGEST beside the versions")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, with its `folder`")
    return parser


if __name__ == "__main__":
    sys.exit(main())
