"""Make a version of the encoder: load, export to ONNX, quantise, check parity, publish.

Usage: python -m training.registry.export --calibration PAPERS --repository DIR [--model MODEL] [--json]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.command import run_command
from training.compression.compress import Compression, Serving, compress
from training.compression.prune import Pruning
from training.errors import PublishError
from training.registry import manifest, publish
from training.registry.source import SHIPPED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _export, arguments)


def export(
    wanted: str | None,
    *,
    calibration_papers: Path,
    repository: Path,
    mapping: str | None = None,
    seed: int = 0,
    how: Compression | None = None,
    serving: Serving | None = None,
) -> dict[str, Any]:
    """Export a model as the next version.

    Args:
        wanted: a recipe's name, a folder, a hub id, or None for the packaged default.
        calibration_papers: a file of papers that `papers.read_papers` reads.
        repository: Triton's model repository; created if it does not exist.
        mapping: mapping of the papers' fields, if the file needs one.
        seed: seed of every random choice.
        how: settings of the compression; None is INT8 with the default recipe, or FP16 or FP32 if that fails.
        serving: how the model is served; None leaves it to the model.

    Returns:
        The manifest, with `promoted` and the `folder`.

    Raises:
        TrainingError: A step failed; the repository is unchanged.
    """
    publish.check_writable(repository)
    with tempfile.TemporaryDirectory(prefix="akin-version-") as folder:
        made = compress(
            wanted,
            Path(folder),
            calibration_papers=calibration_papers,
            mapping=mapping,
            seed=seed,
            how=how or Compression("auto"),
            serving=serving,
        )
        return publish_next(Path(folder), repository, made, _source_folder(made, wanted))


def publish_next(
    folder: Path,
    repository: Path,
    made: dict[str, Any],
    source: Path | None,
    project_model: Path = publish.PROJECT_MODEL,
) -> dict[str, Any]:
    """Publish a copy of a folder that `compress` filled as the next version.

    Args:
        folder: folder with the model, the code that serves it, and the manifest.
        repository: Triton's model repository; created if it does not exist.
        made: the folder's manifest.
        source: the model's own folder, of which a copy is kept; None for a model that can be fetched again by its name.
        project_model: tracked folder of the model that the version belongs to.

    Returns:
        The manifest, with `promoted` and the `folder`.

    Raises:
        PublishError: The version cannot be written; the repository is unchanged.
    """
    model = project_model.name
    with publish.staging_folder(repository, model) as staged:
        try:
            for name in made["files"]:
                shutil.copyfile(folder / name, staged / name)
            numbered = {**made, "version": publish.next_version(repository, model)}
            manifest.write(staged, numbered)
        except OSError as error:
            raise PublishError(
                f"cannot write {error.filename2 or error.filename or staged}: {error.strerror or error}."
            ) from error
        if source:
            publish.keep_source(source, repository, made["base"]["weights_sha256"], model)
        published = publish.publish(staged, repository, numbered["version"], project_model)
    return {**numbered, "promoted": published.promoted, "folder": str(published.folder)}


def _source_folder(made: dict[str, Any], wanted: str | None) -> Path | None:
    """Return the folder that a version was made from, if it was made from a folder."""
    return Path(wanted or "").expanduser() if made["base"]["source"].startswith("folder ") else None


def _export(options: argparse.Namespace) -> str:
    result = export(
        options.model,
        calibration_papers=options.calibration,
        repository=options.repository,
        mapping=options.map,
        seed=options.seed,
        how=Compression(options.precision, Pruning(options.layers, options.token_count)),
        serving=Serving(
            max_length=options.max_length,
            dimensions=options.dimensions,
            query=options.query_prompt,
            passage=options.passage_prompt,
            pooling=options.pooling,
            adapter=options.adapter,
        ),
    )
    if options.json:
        return json.dumps(result, ensure_ascii=False)
    parity = result["parity"]
    return (
        f"version {result['version']} of {result['name']} in {result['recipe']['precision']} "
        f"({result['dim']} dimensions, {result['max_length']} tokens){', promoted' if result['promoted'] else ''}\n"
        f"mean cosine to the original {parity['mean_cosine']:.5f}, worst {parity['min_cosine']:.5f}, "
        f"alone against batched {parity['alone_vs_batched']:.6f}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.registry.export",
        description="Make a version of a sentence-transformers model for Triton: in INT8 if its vectors are then close "
        "to the original's, else in FP16 or FP32. The first version of text_encoder is promoted.",
        epilog="example: python -m training.registry.export --calibration data/sample-arxiv.json "
        "--repository model_repository",
    )
    parser.add_argument(
        "--model",
        "--source",
        metavar="MODEL",
        default=SHIPPED,
        help="the name of a recipe (python -m training.registry.recipes), a folder that SentenceTransformer.save() "
        f"wrote, or a hub id (default: {SHIPPED}, trained on arXiv)",
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
    parser.add_argument(
        "--precision",
        choices=("auto", "int8", "fp16", "fp32"),
        default="auto",
        help="precision of the graph (default: auto, the first of the others that passes the parity check)",
    )
    parser.add_argument("--max-length", type=int, help="tokens of a text that are read (default: at most 512)")
    parser.add_argument("--dimensions", type=int, help="dimensions to keep of each vector (default: all)")
    parser.add_argument(
        "--query-prompt", metavar="TEXT", help="prompt of queries (default: the model's or the recipe's)"
    )
    parser.add_argument("--passage-prompt", metavar="TEXT", help="prompt of passages (default: as for queries)")
    parser.add_argument(
        "--pooling",
        choices=("cls", "max", "mean", "weightedmean", "lasttoken"),
        help="pooling of a model that sentence-transformers did not save",
    )
    parser.add_argument(
        "--adapter", metavar="FOLDER", help="a bottleneck adapter to put into the layers, or its hub id"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every random choice (default: 0)")
    parser.add_argument("--layers", type=int, help="number of layers to keep, evenly spaced (default: all)")
    parser.add_argument(
        "--token-count",
        type=int,
        help="remove tokens that occur less often in the calibration papers (WordPiece only; default: keep all)",
    )
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON, with `promoted` and `folder`")
    return parser


if __name__ == "__main__":
    sys.exit(main())
