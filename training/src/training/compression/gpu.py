"""Makes what a GPU runs for a version: `encoder/<version>/model.onnx` in FP16, token ids in, unit vectors out.

Usage: python -m training.compression.gpu --repository DIR --version N --texts PAPERS [--source MODEL]
[--runtime tensorrt|cuda]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from storage.durable import sync
from training.arrays import Floats
from training.compression import calibration
from training.encoders import encode_fp32, version_encoder
from training.errors import ParityError, PublishError, SourceError, TrainingError
from training.progress import log_duration, log_progress
from training.registry import publish, source

GPU_ENCODER = "encoder"
GPU_RUNTIMES = ("tensorrt", "cuda")
FP16_MEAN_COSINE = 0.999
"""To the original. FP16 alone keeps 0.9999; what is below this is broken, not rounded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0 is success, 1 a refusal in words on standard error, 2 a wrong argument."""
    options = _parser().parse_args(arguments)
    # Libraries print; standard output is for the result alone.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            made = export_fp16(
                options.repository,
                options.version,
                wanted=options.source,
                texts=options.texts,
                mapping=options.map,
                runtime=options.runtime,
            )
        except TrainingError as error:
            log_progress(f"gpu: {error}")
            return 1
    print(json.dumps(made, ensure_ascii=False) if options.json else f"{made['folder']}: {made['parity']}")
    return 0


def export_fp16(
    repository: Path,
    version: int,
    *,
    wanted: str | None,
    texts: Path,
    mapping: str | None = None,
    runtime: str = "tensorrt",
) -> dict[str, Any]:
    """Exports a version's own weights in FP16 as the same version of the model `encoder`.

    Args:
        repository: Triton's model repository, in which the version is.
        version: its number.
        wanted: the model that the version was made from; None is the one that its manifest tells.
        texts: a file of papers that parity is measured on.
        mapping: of the papers' fields, where the file needs one.
        runtime: what is to run it, of `GPU_RUNTIMES`.

    Returns:
        What was made: `folder`, `inputs`, `dim`, `max_length`, `runtime`, `parity`.

    Raises:
        TrainingError: Whatever stood in the way; what was there is as it was.
    """
    manifest = _manifest(repository, version)
    origin = source.resolve(wanted or original_source(repository, manifest["base"]))
    if Path(origin.location).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    held_out = calibration.read_texts(texts, mapping=mapping).held_out
    with log_duration(f"loading {origin.name}"):
        from training.compression import fp16, onnx_export

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
            "export that, to have the same encoder on a GPU."
        )
    with tempfile.TemporaryDirectory(prefix="akin-fp16-") as scratch, log_duration(f"exporting in FP16 for {runtime}"):
        exported = onnx_export.export_onnx(model, Path(scratch))
        inputs = onnx_export.inputs(exported)
        graph = fp16.convert_fused(exported, model) if runtime == "cuda" else fp16.convert(exported)
    with log_duration(f"checking parity on {len(held_out)} held-out texts"):
        model.max_seq_length = manifest["max_length"]
        true = encode_fp32(model, held_out)
        folder = repository / publish.TEXT_ENCODER / str(version)
        vectors = _run(graph.SerializeToString(), folder / "tokenizer.json", held_out, inputs, manifest["max_length"])
        served = version_encoder(folder, "onnxruntime")(held_out)
        agreement = {
            "mean_cosine": float((vectors * true).sum(axis=1).mean()),
            "min_cosine": float((vectors * true).sum(axis=1).min()),
            "mean_cosine_to_version": float((vectors * served).sum(axis=1).mean()),
            "texts": len(held_out),
        }
    if not agreement["mean_cosine"] >= FP16_MEAN_COSINE:
        raise ParityError(
            f"nothing was published: in FP16 the mean cosine to the original is {agreement['mean_cosine']:.5f}, and "
            f"at least {FP16_MEAN_COSINE} is required. A model whose activations exceed the range of FP16 cannot be "
            "served in FP16."
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
    target = _publish(repository / GPU_ENCODER, version, graph.SerializeToString(), made)
    return {**made, "folder": str(target)}


def original_source(repository: Path, base: Mapping[str, str]) -> str | None:
    """The model that a version was made from: the copy kept beside it, an id on the hub, or None, the packaged one."""
    kept = repository / publish.TEXT_ENCODER / publish.SOURCES / base["weights_sha256"]
    if kept.is_dir():
        return str(kept)
    where, _, name = base["source"].partition(" ")
    return name if where == "hub" else None


def _manifest(repository: Path, version: int) -> dict[str, Any]:
    path = repository / publish.TEXT_ENCODER / str(version) / "manifest.json"
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SourceError(
            f"{path} cannot be read: {error}. See `akin encoder list` for the versions there are."
        ) from error
    return found


def _run(graph: bytes, tokenizer: Path, texts: Sequence[str], inputs: Sequence[str], max_length: int) -> Floats:
    """The graph's vectors by ONNX Runtime on this CPU, which converts FP16 back where it has no kernel for it."""
    import onnxruntime

    from training.compression import tokens

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    rows = [session.run(["embedding"], feed)[0] for feed in tokens.feeds(tokenizer, texts, inputs, max_length)]
    return np.concatenate(rows)


def _publish(model: Path, version: int, graph: bytes, made: dict[str, Any]) -> Path:
    """Puts the folder in place whole; one that is there already is replaced, as it is made of the same weights."""
    target = model / str(version)
    try:
        model.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".staging-", dir=model))
        try:
            (aside / "model.onnx").write_bytes(graph)
            (aside / "made.json").write_text(json.dumps(made, indent=1) + "\n")
            os.chmod(aside, 0o755)
            for path in aside.iterdir():
                os.chmod(path, 0o644)
                sync(path)
            sync(aside)
            # A folder cannot be renamed over another: the old one moves out of the way first.
            if target.exists():
                os.rename(target, model / f".before-{aside.name}")
            os.rename(aside, target)
            sync(model)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            shutil.rmtree(model / f".before-{aside.name}", ignore_errors=True)
    except OSError as error:
        raise PublishError(f"cannot write {target}: {error.strerror}.") from error
    return target


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.compression.gpu",
        description="Export the weights of a version in FP16, as the same version of the model that text_encoder uses "
        "on a GPU.",
    )
    parser.add_argument("--repository", metavar="DIR", type=Path, required=True, help="Triton's model repository")
    parser.add_argument("--version", metavar="N", type=int, required=True, help="the version")
    parser.add_argument("--source", metavar="MODEL", help="what it was made from (default: as its manifest says)")
    parser.add_argument("--texts", metavar="PAPERS", type=Path, required=True, help="papers that parity is measured on")
    parser.add_argument("--map", metavar="FIELDS", help="the fields of that file, such as id=_id,title=title")
    parser.add_argument("--runtime", choices=GPU_RUNTIMES, default="tensorrt", help="what runs it (default: tensorrt)")
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
