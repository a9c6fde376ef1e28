"""Compress a model: load, prune, export to ONNX, quantise, check parity.

The result is a version folder without a number. Its parity is checked with the code that will serve it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from akin.papers import passage_text
from training.arrays import Floats
from training.compression import calibration
from training.compression.prune import Pruning, prune
from training.encoders import InputType, encode_fp32, version_encoders
from training.errors import ParityError, PublishError, QuantizationError, TrainingError
from training.progress import log_duration, log_progress
from training.registry import manifest, publish, source, supported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import onnx
    from sentence_transformers import SentenceTransformer

    from training.compression.linear_layers import Feed

Precision = Literal["auto", "int8", "fp16", "fp32"]
_ATTEMPTS: dict[Precision, tuple[Precision, ...]] = {"auto": ("int8", "fp16", "fp32")}


class Quantizer(Protocol):
    """Settings of a quantisation to INT8: `QuantizationRecipe`, or a library's that is compared with it."""

    def quantize(
        self, model: onnx.ModelProto, feeds: Iterable[Feed], progress: Callable[[str], None]
    ) -> onnx.ModelProto:
        """Return a quantised copy of an FP32 graph."""

    def as_json(self) -> dict[str, Any]:
        """Return the settings for the manifest."""


@dataclass(frozen=True)
class Compression:
    """Settings of a compression.

    Attributes:
        precision: precision of the graph: `int8`, `fp16`, `fp32`, which leaves it unchanged, or `auto` for the first of
            these that passes the parity check.
        pruning: layers and tokens that are removed first; parity is then measured to the pruned model.
        recipe: recipe of the quantisation to INT8; None is the default recipe.
        texts: number of texts for calibration.
    """

    precision: Precision = "int8"
    pruning: Pruning = field(default_factory=Pruning)
    recipe: Quantizer | None = None
    texts: int = 200


@dataclass(frozen=True)
class Serving:
    """Choices of how a model is served; None leaves a choice to the model.

    Attributes:
        max_length: tokens of a text that are read.
        dimensions: dimensions that are kept of each vector.
        query: prompt of queries.
        passage: prompt of passages.
        pooling: pooling of a model that sentence-transformers did not save.
        adapter: folder or hub id of an adapter.
    """

    max_length: int | None = None
    dimensions: int | None = None
    query: str | None = None
    passage: str | None = None
    pooling: str | None = None
    adapter: str | None = None


def compress(
    wanted: str | None,
    folder: Path,
    *,
    calibration_papers: Path,
    mapping: str | None = None,
    seed: int = 0,
    how: Compression | None = None,
    serving: Serving | None = None,
    faithful: bool = True,
    is_train_part: bool = False,
) -> dict[str, Any]:
    """Fill an empty folder with the compressed model, the code that serves it, and a manifest without a number.

    Args:
        wanted: a recipe's name, a folder, a hub id, or None for the packaged default.
        folder: folder to write into.
        calibration_papers: a file of papers that `papers.read_papers` reads.
        mapping: mapping of the papers' fields, if the file needs one.
        seed: seed of every random choice.
        how: settings; None is INT8 with the default recipe.
        serving: how the model is served; None leaves it to the model.
        faithful: raise `ParityError` if parity is too low; False only measures it, as comparisons do.
        is_train_part: True if the papers are the training part of a run, as the stage `prepare` writes it.

    Returns:
        The manifest.

    Raises:
        TrainingError: A step failed; the subclass names the step.
    """
    how, serving = how or Compression(), serving or Serving()
    origin = source.resolve(wanted, pooling=serving.pooling, adapter=serving.adapter)
    papers, count = calibration.read_sample(calibration_papers, mapping=mapping, seed=seed, is_part=is_train_part)
    texts = calibration.draw(
        papers, calibration=how.texts, held_out=calibration.HELD_OUT, seed=seed, where=str(calibration_papers)
    )
    with log_duration("loading libraries"):
        # Imported only now: they take seconds, and a wrong path should be reported before.
        from training.compression import onnx_export, tokens

        _quiet()
    publish.copy_code(folder)
    with tempfile.TemporaryDirectory(prefix="akin-export-") as scratch:
        try:
            with log_duration(f"loading {origin.name}"):
                model = source.load(origin)
                max_length = _settle(model, origin, serving)
                weights_sha256 = source.weights_sha256(model, origin)
            pruned = prune(model, how.pruning, map(passage_text, papers))
            with log_duration("calculating reference vectors"):
                true = reference_vectors(model, texts.held_out, serving.dimensions)
            with log_duration("exporting to ONNX"):
                graph = onnx_export.export_onnx(model, Path(scratch), serving.dimensions)
                pad_id = tokens.save_tokenizer(model, folder / "tokenizer.json")
            facts = {
                "calibration": {
                    "texts": len(texts.calibration),
                    "papers": calibration_papers.name,
                    "drawn_from": count,
                    **({"part": "train"} if is_train_part else {}),
                },
                **({"pruned_to": pruned} if pruned else {}),
                **({"dimensions": serving.dimensions} if serving.dimensions else {}),
            }
            made = _first_faithful(
                graph, folder, texts, true, how, seed, faithful,
                name=origin.name, max_length=max_length, pad_id=pad_id, facts=facts,
                base={"source": origin.origin, "weights_sha256": weights_sha256}, prompts=supported.prompts(model),
                abstract_as=origin.recipe.abstract_as if origin.recipe else None,
                dimensions=origin.recipe.dimensions if origin.recipe else (),
            )  # fmt: skip
        except OSError as error:
            raise PublishError(f"cannot write {error.filename or folder}: {error.strerror or error}.") from error
    return made


def _settle(model: SentenceTransformer, origin: source.ModelSource, serving: Serving) -> int:
    """Give the model the prompts and the length that it is served with, and return the length.

    Raises:
        SourceError: The model cannot be served so.
    """
    supported.replace_prompts(model, serving.query, serving.passage)
    length = supported.max_length(model, serving.max_length)
    supported.require_prompts(model, length, origin.name)
    supported.require_dimensions(model, serving.dimensions, origin.recipe)
    supported.limit_length(model, length)
    return length


def reference_vectors(
    model: SentenceTransformer, texts: Sequence[str], dimensions: int | None
) -> dict[InputType, Floats]:
    """Return the vectors of sentence-transformers by input type; one type if the model has no prompts."""
    kinds: tuple[InputType, ...] = ("query", "passage") if supported.prompts(model) else ("query",)
    return {kind: encode_fp32(model, texts, input_type=kind, dimensions=dimensions) for kind in kinds}


def _first_faithful(
    graph: onnx.ModelProto,
    folder: Path,
    texts: calibration.Texts,
    true: Mapping[InputType, Floats],
    how: Compression,
    seed: int,
    faithful: bool,
    *,
    facts: Mapping[str, Any],
    max_length: int,
    **described: Any,
) -> dict[str, Any]:
    """Write the graph in the first precision that passes the parity check, and return the manifest.

    Raises:
        ParityError: None passes.
        QuantizationError: The graph cannot be quantised, and no other precision may take its place.
    """
    from training.compression import onnx_export, parity, tokens
    from training.compression.pack import pack

    attempts = _ATTEMPTS.get(how.precision, (how.precision,))
    failed: dict[str, str] = {}
    for precision in attempts:
        try:
            inputs = onnx_export.inputs(graph)
            feeds = tokens.feeds(folder / "tokenizer.json", texts.calibration, inputs, max_length)
            smaller, recipe = _convert(graph, feeds, precision, how, seed)
            # FP16 graphs are not packed: they pool in FP32 after the last matrix product, which packing would change.
            served = (None if precision == "fp16" else pack(smaller)) or smaller
            (folder / "model.onnx").write_bytes(served.SerializeToString())
            made = manifest.build_manifest(
                folder,
                dim=next(iter(true.values())).shape[1],
                max_length=max_length,
                inputs=onnx_export.inputs(served),
                recipe={**recipe, **facts, **({"instead_of": failed} if failed else {})},
                **described,
            )
            manifest.write(folder, made)
            with log_duration(f"checking parity on {len(texts.held_out)} held-out texts"):
                made["parity"] = parity.measure(version_encoders(folder), true, texts.held_out)
                if faithful:
                    parity.require(made["parity"], precision)
            break
        except (ParityError, QuantizationError) as error:
            if precision == attempts[-1]:
                raise
            failed[precision.upper()] = _reason(error)
            log_progress(f"not in {precision.upper()}: {failed[precision.upper()]}; trying the next precision")
    manifest.write(folder, made)
    return made


def _reason(error: TrainingError) -> str:
    """Return what a precision failed by: the figure, without the advice for the user."""
    return str(error).removeprefix("nothing was published, because ").split(". ")[0].rstrip(".")


def _convert(
    graph: onnx.ModelProto, feeds: Iterable[Feed], precision: Precision, how: Compression, seed: int
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """Return the graph in a precision, and the recipe for the manifest.

    Raises:
        QuantizationError: The graph has nothing that can be converted.
    """
    if precision == "fp32":
        return graph, {"precision": "FP32", "method": "none"}
    if precision == "fp16":
        from training.compression import fp16

        with log_duration("converting to FP16"):
            return fp16.convert(graph), {
                "precision": "FP16",
                "method": "FP16, but FP32 after the last matrix product",
            }
    from training.compression import quantize

    recipe = how.recipe or quantize.QuantizationRecipe(seed=seed)
    with log_duration(f"quantising to INT8 with {how.texts} texts"):
        return recipe.quantize(graph, feeds, log_progress), {"precision": "INT8", **recipe.as_json()}


def _quiet() -> None:
    """Silence the warnings and progress bars of libraries: they concern these libraries, not this command."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it has no annotations
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it has no annotations
