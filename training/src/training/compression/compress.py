"""Compress a model: load, prune, export to ONNX, quantise, check parity.

The result is a version folder without a number. Its parity is checked with the code that will serve it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.compression import calibration
from training.compression.prune import Pruning, prune
from training.encoders import encode_fp32, version_encoders
from training.errors import PublishError
from training.progress import log_duration, log_progress
from training.registry import manifest, publish, source

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx

    from training.compression.linear_layers import Feed
    from training.compression.quantize import QuantizationRecipe

Precision = Literal["int8", "fp16", "fp32"]


@dataclass(frozen=True)
class Compression:
    """Settings of a compression.

    Attributes:
        precision: precision of the graph: `int8`, `fp16`, or `fp32`, which leaves it unchanged.
        pruning: layers and tokens that are removed first; parity is then measured to the pruned model.
        recipe: recipe of the quantisation to INT8; None is the default recipe.
        texts: number of texts for calibration.
    """

    precision: Precision = "int8"
    pruning: Pruning = field(default_factory=Pruning)
    recipe: QuantizationRecipe | None = None
    texts: int = 200


def compress(
    wanted: str | None,
    folder: Path,
    *,
    calibration_papers: Path,
    mapping: str | None = None,
    seed: int = 0,
    how: Compression | None = None,
    faithful: bool = True,
) -> dict[str, Any]:
    """Fill an empty folder with the compressed model, the code that serves it, and a manifest without a number.

    Args:
        wanted: a folder, a hub id, or None for the packaged default.
        folder: folder to write into.
        calibration_papers: a file of papers that `papers.read_papers` reads.
        mapping: mapping of the papers' fields, if the file needs one.
        seed: seed of every random choice.
        how: settings; None is INT8 with the default recipe.
        faithful: raise `ParityError` if parity is too low; False only measures it, as comparisons do.

    Returns:
        The manifest.

    Raises:
        TrainingError: A step failed; the subclass names the step.
    """
    how = how or Compression()
    origin = source.resolve(wanted)
    texts = calibration.read_texts(calibration_papers, mapping=mapping, calibration=how.texts, seed=seed)
    with log_duration("loading libraries"):
        # Imported only now: they take seconds, and a wrong path should be reported before.
        from training.compression import onnx_export, parity, tokens
        from training.compression.pack import pack

        _quiet()
    publish.copy_code(folder)
    with tempfile.TemporaryDirectory(prefix="akin-export-") as scratch:
        try:
            with log_duration(f"loading {origin.name}"):
                model = source.load(origin)
                max_length = source.max_length(model)
                weights_sha256 = source.weights_sha256(model, origin)
            pruned = prune(model, how.pruning, calibration.passages(calibration_papers, mapping))
            with log_duration("calculating reference vectors"):
                model.max_seq_length = max_length
                true = encode_fp32(model, texts.held_out)
            with log_duration("exporting to ONNX"):
                graph = onnx_export.export_onnx(model, Path(scratch))
                inputs = onnx_export.inputs(graph)
                pad_id = tokens.save_tokenizer(model, folder / "tokenizer.json")
            feeds = tokens.feeds(folder / "tokenizer.json", texts.calibration, inputs, max_length)
            smaller, recipe = _convert(graph, feeds, how, seed)
            # FP16 graphs are not packed: they pool in FP32 after the last matrix product, which packing would change.
            served = (None if how.precision == "fp16" else pack(smaller)) or smaller
            (folder / "model.onnx").write_bytes(served.SerializeToString())
            made = manifest.build_manifest(
                folder,
                name=origin.name,
                dim=true.shape[1],
                max_length=max_length,
                inputs=onnx_export.inputs(served),
                pad_id=pad_id,
                base={"source": origin.origin, "weights_sha256": weights_sha256},
                recipe={
                    **recipe,
                    "calibration": {"texts": len(texts.calibration), "papers": calibration_papers.name},
                    **({"pruned_to": pruned} if pruned else {}),
                },
            )
            manifest.write(folder, made)
            with log_duration(f"checking parity on {len(texts.held_out)} held-out texts"):
                made["parity"] = parity.measure(version_encoders(folder), true, texts.held_out)
                if faithful:
                    parity.require(made["parity"])
            manifest.write(folder, made)
        except OSError as error:
            raise PublishError(f"cannot write {error.filename or folder}: {error.strerror or error}.") from error
    return made


def _convert(
    graph: onnx.ModelProto, feeds: Iterable[Feed], how: Compression, seed: int
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Return the graph in the requested precision, and the recipe for the manifest."""
    if how.precision == "fp32":
        return graph, {"precision": "FP32", "method": "none"}
    if how.precision == "fp16":
        from training.compression import fp16

        with log_duration("converting to FP16"):
            return fp16.convert(graph), {
                "precision": "FP16",
                "method": "FP16, but FP32 after the last matrix product",
            }
    from training.compression import quantize

    recipe = how.recipe or quantize.QuantizationRecipe(seed=seed)
    with log_duration(f"quantising to INT8 with {how.texts} texts"):
        return quantize.quantize(graph, feeds, recipe, log_progress), {"precision": "INT8", **recipe.as_json()}


def _quiet() -> None:
    """Silence the warnings and progress bars of libraries: they concern these libraries, not this command."""
    from optimum.utils import logging as optimum_logging
    from transformers.utils import logging as transformers_logging

    for logging in (optimum_logging, transformers_logging):
        logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it has no annotations
