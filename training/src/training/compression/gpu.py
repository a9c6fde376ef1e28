"""Make the graph that a GPU runs for a version: `encoder/<version>/model.onnx` in FP16, token ids in, unit vectors out.

Usage: python -m training.compression.gpu --repository DIR --version N --texts PAPERS [--source MODEL]
[--runtime tensorrt|cuda|packages] [--into DIR]

For `packages`, the runtimes of `model_repository/encoder` (Triton's Python backend, without NVIDIA's image), it also
writes the weights for torch, the code that serves them, and `probe.npz`: texts with their vectors in FP32, by which
`akin encoder gpu` compares the runtimes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from akin.storage.durable import replace_folder
from training.arrays import Floats
from training.command import run_command
from training.compression import calibration, parity
from training.encoders import encode_fp32, version_encoder
from training.errors import ParityError, PublishError, SourceError, UnsupportedModel
from training.progress import log_duration
from training.registry import publish, source
from training.registry.supported import limit_length, replace_prompts

GPU_RUNTIMES = ("tensorrt", "cuda", "packages")
PACKAGES = "packages"
_FOR_TORCH = ("config.json", "modules.json", "*_config.json", "*.safetensors", "*/config.json")
_WEIGHTS = "weights"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    return run_command(_parser(), _export, arguments)


def export_fp16(
    repository: Path,
    version: int,
    *,
    wanted: str | None,
    texts: Path,
    mapping: str | None = None,
    runtime: str = "tensorrt",
    into: Path | None = None,
) -> dict[str, Any]:
    """Export the weights that a version was made from in FP16, as the same version of the model `encoder`.

    Args:
        repository: Triton's model repository that holds the version.
        version: its number.
        wanted: the model that the version was made from; None takes it from the manifest.
        texts: a file of papers that parity is measured on.
        mapping: mapping of the papers' fields, if the file needs one.
        runtime: what will run it, one of `GPU_RUNTIMES`.
        into: the folder that gets the version's folder; None for that of the model `encoder`.

    Returns:
        A description: `folder`, `inputs`, `dim`, `max_length`, `runtime`, `parity`.

    Raises:
        TrainingError: A step failed; the repository is unchanged.
    """
    manifest = _manifest(repository, version)
    origin = source.resolve(wanted or publish.original_source(repository, manifest["base"]))
    papers, _ = calibration.read_sample(texts, mapping=mapping)
    held_out = calibration.draw(
        papers, calibration=200, held_out=calibration.HELD_OUT, seed=0, where=str(texts)
    ).held_out
    with log_duration(f"loading {origin.name}"):
        from training.compression import onnx_export

        model = source.load(origin)
        found = source.weights_sha256(model, origin)
    if found != manifest["base"]["weights_sha256"]:
        raise SourceError(
            f"version {version} was made from {manifest['base']['source']}, with other weights than {origin.name} has. "
            "Give the model that it was made from with --source."
        )
    if "pruned_to" in manifest["recipe"]:
        raise SourceError(
            f"version {version} was pruned when it was exported, and {origin.name} is whole. Save the pruned model and "
            "export that one, to get the same encoder on a GPU."
        )
    with tempfile.TemporaryDirectory(prefix="akin-fp16-") as scratch, log_duration(f"exporting in FP16 for {runtime}"):
        exported = onnx_export.export_onnx(model, Path(scratch), manifest["recipe"].get("dimensions"))
        inputs = onnx_export.inputs(exported)
        graph = _in_fp16(exported, model, runtime)
    with log_duration(f"checking parity on {len(held_out)} held-out texts"):
        limit_length(model, manifest["max_length"])
        # The prompt is a part of the text here, so that the three are given the same tokens.
        replace_prompts(model, "", "")
        texts_as_queries = [manifest.get("prompts", {}).get("query", "") + text for text in held_out]
        true = encode_fp32(model, texts_as_queries, dimensions=manifest["recipe"].get("dimensions"))
        folder = repository / publish.TEXT_ENCODER / str(version)
        tokenizer = folder / "tokenizer.json"
        vectors = _run(graph.SerializeToString(), tokenizer, texts_as_queries, inputs, manifest["max_length"])
        served = version_encoder(folder, "onnxruntime")(held_out)
        agreement = {
            "mean_cosine": float((vectors * true).sum(axis=1).mean()),
            "min_cosine": float((vectors * true).sum(axis=1).min()),
            "mean_cosine_to_version": float((vectors * served).sum(axis=1).mean()),
            "texts": len(held_out),
        }
    if not agreement["mean_cosine"] >= parity.FP16_MEAN_COSINE:
        raise ParityError(
            f"nothing was published: in FP16 the mean cosine to the original is {agreement['mean_cosine']:.5f}, and "
            f"at least {parity.FP16_MEAN_COSINE} is required. A model whose activations exceed the range of FP16 "
            "cannot be served in FP16."
        )
    made = {
        "version": version,
        "digest": manifest["digest"],
        "runtime": runtime,
        "inputs": inputs,
        "dim": manifest["dim"],
        "max_length": manifest["max_length"],
        "parity": agreement,
    }

    def add(staged: Path) -> None:
        """Write what the runtimes of packages need."""
        publish.copy_code(staged, publish.PROJECT_GPU_ENCODER)
        _save_weights(model, staged / _WEIGHTS)
        _save_probe(staged / "probe.npz", tokenizer, texts_as_queries, manifest["max_length"], true)

    model_folder = into or repository / publish.GPU_ENCODER
    target = _publish(model_folder, version, graph.SerializeToString(), made, add if runtime == PACKAGES else None)
    return {**made, "folder": str(target)}


def _manifest(repository: Path, version: int) -> dict[str, Any]:
    path = repository / publish.TEXT_ENCODER / str(version) / "manifest.json"
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path} cannot be read: {error}. `akin encoder list` shows the versions that exist."
        ) from error
    return found


def _run(graph: bytes, tokenizer: Path, texts: Sequence[str], inputs: Sequence[str], max_length: int) -> Floats:
    """Return the graph's vectors by ONNX Runtime on this CPU, which computes in FP32 where it has no FP16 kernel."""
    from training.compression import tokens
    from training.compression.graph import cpu_session

    session = cpu_session(graph)
    rows = [session.run(["embedding"], feed)[0] for feed in tokens.feeds(tokenizer, texts, inputs, max_length)]
    return np.concatenate(rows)


def _in_fp16(exported: Any, model: Any, runtime: str) -> Any:
    """Return the graph in FP16 as a runtime is fastest with it."""
    from training.compression import fp16

    if runtime == "tensorrt":
        return fp16.convert(exported)
    try:
        return fp16.convert_fused(exported, model)
    except UnsupportedModel:
        if runtime == "cuda":
            raise
        return fp16.convert(exported)


def _save_weights(model: Any, folder: Path) -> None:
    """Write the model as sentence-transformers saves it, without its tokenizer, which `text_encoder` has."""
    with tempfile.TemporaryDirectory(prefix="akin-weights-") as scratch:
        model.save_pretrained(scratch, create_model_card=False)
        for pattern in _FOR_TORCH:
            for path in Path(scratch).glob(pattern):
                if not path.name.startswith("tokenizer"):
                    target = folder / path.relative_to(scratch)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)


def _save_probe(path: Path, tokenizer: Path, texts: Sequence[str], max_length: int, vectors: Floats) -> None:
    """Write the token ids of texts, padded to the longest, and their vectors."""
    from training.compression import tokens

    rows = [feed["input_ids"][0] for feed in tokens.feeds(tokenizer, texts, ["input_ids"], max_length)]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for row, found in enumerate(rows):
        ids[row, : len(found)], mask[row, : len(found)] = found, 1
    np.savez(path, input_ids=ids, attention_mask=mask, vectors=np.asarray(vectors, np.float32))


def _publish(
    model: Path, version: int, graph: bytes, made: dict[str, Any], add: Callable[[Path], None] | None = None
) -> Path:
    """Publish the folder of a version; an older folder is replaced, because it was made from the same weights.

    Args:
        model: the folder of the model.
        version: number of the version.
        graph: the graph.
        made: the description.
        add: writes further files into the folder.
    """
    target = model / str(version)
    with publish.staging_folder(model.parent, model.name) as staged:
        try:
            (staged / "model.onnx").write_bytes(graph)
            (staged / "made.json").write_text(json.dumps(made, indent=1) + "\n")
            if add is not None:
                add(staged)
            publish.finish(staged)
            replace_folder(staged, target)
        except OSError as error:
            raise PublishError(f"cannot write {target}: {error.strerror}.") from error
    return target


def _export(options: argparse.Namespace) -> str:
    made = export_fp16(
        options.repository,
        options.version,
        wanted=options.source,
        texts=options.texts,
        mapping=options.map,
        runtime=options.runtime,
        into=options.into,
    )
    return json.dumps(made, ensure_ascii=False) if options.json else f"{made['folder']}: {made['parity']}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.compression.gpu",
        description="Export the weights of a version in FP16, as the same version of the model that text_encoder uses "
        "on a GPU.",
    )
    parser.add_argument("--repository", metavar="DIR", type=Path, required=True, help="Triton's model repository")
    parser.add_argument("--version", metavar="N", type=int, required=True, help="number of the version")
    parser.add_argument("--source", metavar="MODEL", help="the model it was made from (default: from its manifest)")
    parser.add_argument("--texts", metavar="PAPERS", type=Path, required=True, help="papers that parity is measured on")
    parser.add_argument("--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title")
    parser.add_argument(
        "--runtime", choices=GPU_RUNTIMES, default="tensorrt", help="the runtime that runs it (default: tensorrt)"
    )
    parser.add_argument(
        "--into", metavar="DIR", type=Path, help="the folder that gets the version's folder (default: the model's)"
    )
    parser.add_argument("--json", action="store_true", help="print the description as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
