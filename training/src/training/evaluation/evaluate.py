"""Evaluate versions of the encoder, beside BM25 and the model they were made from.

Usage: python -m training.evaluation.evaluate --repository DIR --version N … --set FOLDER … [--served DIR] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from training.command import run_command
from training.errors import EvaluationError, TrainingError
from training.evaluation import AnySystem, Bm25, TorchSystem, VersionSystem, evaluate_systems, write_report
from training.evaluation.report import REPORT_FILE
from training.evaluation.served import ServedReranker
from training.evaluation.systems import system_description
from training.progress import log_duration, log_progress
from training.registry import model_card, publish, source, supported
from training.sparse import SparseWords

BASE = "base"
LEXICAL = "bm25"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), evaluate_versions, arguments)


def evaluate_versions(options: argparse.Namespace) -> str:
    """Evaluate versions, write the report and a model card for each, and return the report as text or as JSON.

    A report with a reranker is written beside the versions of the reranker too.
    """
    model, rerankers = (options.repository / name for name in (publish.TEXT_ENCODER, publish.RERANKER))
    reranker = None
    if options.reranker is not None:
        if options.served is None:
            raise EvaluationError("--reranker measures the service's search: give --served DIR too.")
        reranker = ServedReranker(rerankers / str(options.reranker), options.rerank, options.runtime)
    if options.sparse and (options.served is None or options.output is None):
        raise EvaluationError(
            "--sparse measures the service's search with other words than it has by default: give --served DIR, and "
            "--output DIR, as such a report decides no promotion."
        )
    candidates = {version_name(number): model / str(number) for number in options.version}
    systems, against = load_systems(
        options.repository,
        candidates,
        base=options.base,
        models=options.model,
        others=options.against,
        compile=options.compile,
        runtime=options.runtime,
    )
    folders: dict[str, Path] = {
        name: options.output or model / publish.EVALUATIONS / systems[name].description["digest"]  # type: ignore[union-attr]  # a version has one
        for name in candidates
    }
    first, *more = dict.fromkeys(folders.values())
    report = evaluate_systems(
        systems,
        options.set,
        first,
        baseline=against,
        comparisons=candidate_comparisons(systems, list(candidates), against),
        subject_papers=options.papers,
        mapping=options.map,
        resamples=options.resamples,
        seed=options.seed,
        cache=options.cache,
        served=options.served,
        reranker=reranker,
        reranked=list(candidates),
        sparse=SparseWords(options.sparse) if options.sparse else None,
    )
    if reranker is not None and not options.sparse:
        more.append(rerankers / publish.EVALUATIONS / str(reranker.description["reranker"]))
    for folder in more:
        write_report(report, folder)
    for name, folder in folders.items():
        manifest = json.loads((candidates[name] / "manifest.json").read_bytes())
        model_card.write(manifest, report, name, folder)
        log_progress(f"written to {folder}: {REPORT_FILE}, report.md, {model_card.MODEL_CARD_FILE}, plots")
    if options.json:
        return json.dumps({**msgspec.to_builtins(report), "folder": str(first)}, ensure_ascii=False)
    return (first / "report.md").read_text(encoding="utf-8")


def load_systems(
    repository: Path,
    candidates: Mapping[str, Path],
    *,
    base: str,
    models: Sequence[str] = (),
    others: Sequence[int] = (),
    compile: bool = False,
    runtime: str = "auto",
) -> tuple[dict[str, AnySystem], str]:
    """Load candidates and the systems that they are compared with: BM25, models in FP32 and other versions.

    Args:
        repository: Triton's model repository; its promoted version is one of the systems.
        candidates: encoders by their names in the report, as folders.
        base: a model in FP32: a folder, a hub id, `default` or `none`.
        models: further models in FP32, as NAME=FOLDER.
        others: numbers of further versions.
        compile: run models in FP32 through torch.compile.
        runtime: runtime that versions run on.

    Returns:
        The systems in the report's order, with the candidates last, and the name of the baseline: the promoted version
        if there is another one, otherwise the base, otherwise BM25.

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
        folders = {version_name(number): model / str(number) for number in [*([serving] if serving else []), *others]}
        # A candidate that is also one of these versions must come last.
        versions = {name: folder for name, folder in folders.items() if name not in candidates} | dict(candidates)
        loaded = {name: VersionSystem(folder, runtime) for name, folder in versions.items()}
        if base != "none":
            _add_fp32(systems, loaded, repository)
    against = version_name(serving) if serving and len(versions) > 1 else BASE
    systems |= loaded
    return systems, against if against in systems else LEXICAL


def _add_fp32(systems: dict[str, AnySystem], versions: Mapping[str, VersionSystem], repository: Path) -> None:
    """Add the FP32 weights of each version as a system, unless they are one already, and name it in the version's."""
    names = {system_description(system).get("weights"): name for name, system in systems.items()}
    for name, version in versions.items():
        origin = version.made_from
        weights = origin.get("weights_sha256")
        if weights and weights not in names:
            try:
                system = torch_system(publish.original_source(repository, origin))
            except TrainingError as error:
                log_progress(f"{name} cannot be compared with its FP32 weights: {error}")
                continue
            if system.description["weights"] != weights:
                log_progress(f"{name} cannot be compared with its FP32 weights: {origin['source']} has other ones now")
                continue
            systems[f"{name} FP32"] = system
            names[weights] = f"{name} FP32"
        if weights:
            version.description["fp32"] = names[weights]


def candidate_comparisons(
    systems: Mapping[str, AnySystem], candidates: Sequence[str], against: str
) -> list[tuple[str, str]]:
    """Return the pairs to compare beside each system and the baseline.

    These are each candidate and each other system, each version and its FP32 weights, and the weights of each candidate
    and those of the baseline.
    """
    weights = {name: system_description(system).get("fp32") for name, system in systems.items()}
    pairs = [(candidate, name) for candidate in candidates for name in systems]
    pairs += [(name, own) for name, own in weights.items() if own]
    pairs += [(own, other) for candidate in candidates if (own := weights[candidate]) and (other := weights[against])]
    return [pair for pair in dict.fromkeys(pairs) if pair[0] not in (pair[1], against)]


def torch_system(wanted: str | None, *, compile: bool = False) -> TorchSystem:
    """Load a sentence-transformers model in FP32, which reads as many tokens as a version of it would."""
    origin = source.resolve(wanted)
    model = source.load(origin)
    supported.limit_length(model, source.max_length(model))
    weights = source.weights_sha256(model, origin)
    system = TorchSystem(model, origin.name, digest=supported.model_digest(model, weights), compile=compile)
    system.description["weights"] = weights
    return system


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
    parser.add_argument(
        "--version", metavar="N", type=int, action="append", required=True, help="a version to evaluate; repeatable"
    )
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
    parser.add_argument(
        "--served",
        metavar="DIR",
        type=Path,
        help="measure the service's search, over indexes that are kept in this folder; without it, vectors alone",
    )
    parser.add_argument(
        "--reranker", metavar="N", type=int, help="measure hybrid search with this version of the reranker too"
    )
    parser.add_argument(
        "--rerank", metavar="N", type=int, default=30, help="best results that it puts in order (default: 30)"
    )
    parser.add_argument(
        "--sparse",
        metavar="MODEL",
        help="rank words by the weights of this SparseEncoder instead of BM25; needs --output",
    )
    parser.add_argument("--output", metavar="DIR", type=Path, help="default: evaluations/DIGEST beside the versions")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, with its `folder`")
    return parser


if __name__ == "__main__":
    sys.exit(main())
