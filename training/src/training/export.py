"""Makes a version of the encoder: load, export to ONNX, quantise, check parity, publish.

Usage: python -m training.export --calibration PAPERS --repository DIR [--source MODEL] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import calibration, manifest, publish, source
from training.errors import PublishError, TrainingError
from training.progress import say, stage
from training.prune import Pruning, prune

if TYPE_CHECKING:
    from training.quantize import Recipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 is success, 1 a refusal in words on standard error, 2 a wrong argument."""
    options = _parser().parse_args(arguments)
    # Libraries print; standard output is for the result alone.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            result = export(
                options.source,
                calibration_papers=options.calibration,
                repository=options.repository,
                mapping=options.map,
                seed=options.seed,
                pruning=Pruning(options.layers, options.token_count),
            )
        except TrainingError as error:
            say(f"export: {error}")
            return 1
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        parity = result["parity"]
        print(
            f"version {result['version']} of {result['name']} "
            f"({result['dim']} dimensions, {result['max_length']} tokens){', promoted' if result['promoted'] else ''}\n"
            f"mean cosine to the original {parity['mean_cosine']:.5f}, worst {parity['min_cosine']:.5f}, "
            f"alone against batched {parity['alone_vs_batched']:.6f}"
        )
    return 0


def export(
    wanted: str | None,
    *,
    calibration_papers: Path,
    repository: Path,
    mapping: str | None = None,
    seed: int = 0,
    pruning: Pruning | None = None,
    recipe: Recipe | None = None,
    calibration_texts: int = 200,
    faithful: bool = True,
    quantizer: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """Exports a model as the next version.

    Args:
        wanted: a folder, a hub id, or None for the packaged default.
        calibration_papers: a file of papers that `papers.read_papers` reads.
        repository: Triton's model repository; made if it does not exist.
        mapping: of the papers' fields, where the file needs one.
        seed: of every choice by chance.
        pruning: layers and tokens that are left out beforehand; parity is then to the pruned model.
        recipe: of the quantisation; None is the one that ships, with `seed`.
        calibration_texts: how many texts it is calibrated with.
        faithful: whether parity is required, or only measured, as comparisons do.
        quantizer: instead of `quantize.quantize`, with the same signature.

    Returns:
        The manifest, with `promoted` and the `folder`.

    Raises:
        TrainingError: Whatever stood in the way; the repository is as it was.
    """
    origin = source.resolve(wanted)
    if Path(origin.location).is_dir():
        # A folder has all that is needed: nothing is to be asked of the hub.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    texts = calibration.read_texts(calibration_papers, mapping=mapping, calibration=calibration_texts, seed=seed)
    with stage("loading libraries"):
        # Only now: they take seconds, and a wrong path should be told at once.
        from training import onnx_export, parity, quantize, tokens

        _quiet()
    with tempfile.TemporaryDirectory(prefix="akin-export-") as scratch, publish.staging(repository) as staged:
        try:
            with stage(f"loading {origin.name}"):
                model = source.load(origin)
                max_length = source.max_length(model)
                weights_sha256 = source.weights_sha256(model, origin)
            pruned = prune(model, pruning or Pruning(), calibration.passages(calibration_papers, mapping))
            with stage("calculating reference vectors"):
                true = parity.reference(model, texts.held_out, max_length)
            with stage("exporting to ONNX"):
                graph = onnx_export.export_onnx(model, Path(scratch))
                inputs = onnx_export.inputs(graph)
                pad_id = tokens.save_tokenizer(model, staged / "tokenizer.json")
            recipe = recipe or quantize.Recipe(seed=seed)
            with stage(f"quantising to INT8 with {len(texts.calibration)} texts"):
                feeds = tokens.feeds(staged / "tokenizer.json", texts.calibration, inputs, max_length)
                quantized = (quantizer or quantize.quantize)(graph, feeds, recipe, say)
                (staged / "model.onnx").write_bytes(quantized.SerializeToString())
            made = manifest.describe(
                staged,
                version=publish.next_version(repository),
                name=origin.name,
                dim=true.shape[1],
                max_length=max_length,
                inputs=inputs,
                pad_id=pad_id,
                base={"source": origin.origin, "weights_sha256": weights_sha256},
                recipe={
                    **recipe.described(),
                    "calibration": {"texts": len(texts.calibration), "papers": calibration_papers.name},
                    **({"pruned_to": pruned} if pruned else {}),
                },
                parity={},
            )
            manifest.write(staged, made)
            with stage(f"checking parity on {len(texts.held_out)} held-out texts"):
                made["parity"] = parity.measure(parity.encoders(staged), true, texts.held_out)
                if faithful:
                    parity.require(made["parity"])
            manifest.write(staged, made)
        except OSError as error:
            raise PublishError(f"cannot write {error.filename or staged}: {error.strerror}.") from error
        published = publish.publish(staged, repository, made["version"])
    return {**made, "promoted": published.promoted, "folder": str(published.folder)}


def _quiet() -> None:
    """Keeps libraries' advice to their own users away from ours."""
    from optimum.utils import logging as optimum_logging
    from transformers.utils import logging as transformers_logging

    for logging in (optimum_logging, transformers_logging):
        logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it has no annotations


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.export",
        description="Make an INT8 version of a sentence-transformers model for Triton. It is published as the next "
        "version of text_encoder if its vectors are true to the original's; the very first is promoted.",
        epilog="example: python -m training.export --calibration data/sample-arxiv.json --repository model_repository",
    )
    parser.add_argument(
        "--source",
        metavar="MODEL",
        help="a folder that SentenceTransformer.save() wrote, or a hub id (default: all-MiniLM-L6-v2 from its package)",
    )
    parser.add_argument(
        "--calibration",
        metavar="PAPERS",
        type=Path,
        required=True,
        help="a file of papers: ranges are measured on some of them, parity on the others",
    )
    parser.add_argument(
        "--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title,abstract=text"
    )
    parser.add_argument("--repository", metavar="DIR", type=Path, required=True, help="Triton's model repository")
    parser.add_argument("--seed", type=int, default=0, help="of the texts drawn and the tokens kept (default: 0)")
    parser.add_argument("--layers", type=int, help="keep so many of the model's layers, evenly spaced (default: all)")
    parser.add_argument(
        "--token-count",
        type=int,
        help="drop tokens that the calibration papers have less often (WordPiece only; default: keep all)",
    )
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON, with `promoted` and `folder`")
    return parser


if __name__ == "__main__":
    sys.exit(main())
