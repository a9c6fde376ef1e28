"""Quantise with libraries, for the comparison with `quantize`. An export uses nothing of this.

Each class quantises the same layers as `quantize`, on the same graph and texts, with the settings that kept most of the
relevance. All except ONNX Runtime's own are installed for a comparison only.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from training.compression.linear_layers import Feed, find_groups

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

NEEDS = {
    "nncf": "nncf==3.4.0",
    "neural_compressor": "neural-compressor==2.4.1 six 'setuptools<80'",
    "optimum.intel": "nncf==3.4.0 optimum-intel==1.27.0",
}
"""What to install for each module; neural-compressor imports six and pkg_resources without requiring them.

Its releases after 2.4.1 need NumPy 1.
"""


class TextReader:
    """Calibration texts, as `quantize_static` reads them: in parts, so that the texts may have different lengths."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        """Hold the graph's inputs, one text at a time."""
        self._feeds = list(feeds)
        self.rewind()

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._feeds)

    def __iter__(self) -> Iterator[Feed]:
        """Return the texts from the first one on, as SmoothQuant reads them."""
        return iter(self._feeds)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Go to the texts of a part."""
        self._rest = iter(self._feeds[start_index:end_index])

    def rewind(self) -> None:
        """Go back to the first text."""
        self.set_range(0, len(self))

    def get_next(self) -> Feed | None:
        """Return the next text; None after the last."""
        return next(self._rest, None)


@dataclass(frozen=True)
class OnnxRuntimeStatic:
    """`quantize_static` of ONNX Runtime.

    Attributes:
        ranges: how ranges are found: `MinMax`, `Percentile` or `Entropy`.
        percentile: percentile of the activations that a range holds, if that is `Percentile`.
        smoothing: strength of SmoothQuant, by neural-compressor; None for none.
    """

    ranges: str = "MinMax"
    percentile: float = 99.999
    smoothing: float | None = None

    def quantize(
        self, model: onnx.ModelProto, feeds: Iterable[Feed], progress: Callable[[str], None]
    ) -> onnx.ModelProto:
        """Return a quantised copy of an FP32 graph."""
        from onnxruntime import quantization

        options = {
            "MatMulConstBOnly": True,
            # A quantised output would round every sum once more.
            "OpTypesToExcludeOutputQuantization": ["MatMul"],
            "QDQOpTypePerChannelSupportToAxis": {"MatMul": 1},
            "CalibStridedMinMax": 1,
            "CalibPercentile": self.percentile,
        }
        if self.smoothing is not None:
            options |= {"SmoothQuant": True, "SmoothQuantAlpha": self.smoothing}
        with tempfile.TemporaryDirectory(prefix="akin-quantize-") as scratch:
            given, made = Path(scratch, "given.onnx"), Path(scratch, "made.onnx")
            onnx.save(model, given)
            quantization.quantize_static(
                str(given),
                str(made),
                # SmoothQuant stacks the activations of all texts.
                TextReader(padded(feeds) if self.smoothing is not None else feeds),
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod[self.ranges],
                extra_options=options,
            )
            return onnx.load(made)

    def as_json(self) -> dict[str, Any]:
        """Return the settings for the manifest."""
        return {"method": "quantize_static of ONNX Runtime", **asdict(self)}


@dataclass(frozen=True)
class OnnxRuntimeDynamic:
    """`quantize_dynamic` of ONNX Runtime, which sentence-transformers' dynamic export calls."""

    def quantize(
        self, model: onnx.ModelProto, feeds: Iterable[Feed], progress: Callable[[str], None]
    ) -> onnx.ModelProto:
        """Return a quantised copy of an FP32 graph, for which no texts are needed."""
        from onnxruntime import quantization

        with tempfile.TemporaryDirectory(prefix="akin-quantize-") as scratch:
            given, made = Path(scratch, "given.onnx"), Path(scratch, "made.onnx")
            onnx.save(model, given)
            quantization.quantize_dynamic(
                str(given), str(made), op_types_to_quantize=["MatMul"], per_channel=True, reduce_range=True,
                weight_type=quantization.QuantType.QInt8, extra_options={"MatMulConstBOnly": True},
            )  # fmt: skip
            return onnx.load(made)

    def as_json(self) -> dict[str, Any]:
        """Return the settings for the manifest."""
        return {"method": "quantize_dynamic of ONNX Runtime"}


@dataclass(frozen=True)
class Nncf:
    """Post-training quantisation of NNCF, with its settings for transformers.

    Attributes:
        smoothing: strength of SmoothQuant.
        seven_bits: True for weights that no CPU's 16-bit sum overflows with, as in `quantize`.
        embeddings: True if the table of embeddings is quantised too, as NNCF does by default.
    """

    smoothing: float = 0.8
    seven_bits: bool = True
    embeddings: bool = False

    def quantize(
        self, model: onnx.ModelProto, feeds: Iterable[Feed], progress: Callable[[str], None]
    ) -> onnx.ModelProto:
        """Return a quantised copy of an FP32 graph, with unsigned activations."""
        import nncf
        from nncf.quantization import advanced_parameters as advanced

        texts = list(feeds)
        linear = {layer.output for group in find_groups(model.graph) for layer in group.layers}
        kinds = {"MatMul"} if self.embeddings else {"MatMul", "Gather"}
        left_out = [node.name for node in model.graph.node if node.op_type in kinds and node.output[0] not in linear]
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        fix = advanced.OverflowFix.ENABLE if self.seven_bits else advanced.OverflowFix.DISABLE
        made: onnx.ModelProto = nncf.quantize(
            copy,
            nncf.Dataset(texts),
            model_type=nncf.ModelType.TRANSFORMER,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(texts),
            ignored_scope=nncf.IgnoredScope(names=left_out),
            advanced_parameters=advanced.AdvancedQuantizationParameters(
                overflow_fix=fix,
                smooth_quant_alphas=advanced.AdvancedSmoothQuantParameters(matmul=self.smoothing),
            ),
        )
        return unsigned(made)

    def as_json(self) -> dict[str, Any]:
        """Return the settings for the manifest."""
        return {"method": "post-training quantisation of NNCF", **asdict(self)}


def padded(feeds: Iterable[Feed]) -> list[Feed]:
    """Return the graph's inputs, all padded with zeros to the length of the longest text."""
    texts = list(feeds)
    longest = max(text["input_ids"].shape[1] for text in texts)
    return [
        {name: np.pad(values, ((0, 0), (0, longest - values.shape[1]))) for name, values in text.items()}
        for text in texts
    ]


def unsigned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which all quantised activations are uint8, with the same values.

    ONNX Runtime multiplies int8 by int8 several times slower on a CPU without VNNI.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in changed.graph.initializer}
    for node in changed.graph.node:
        zero = constants.get(node.input[2]) if node.op_type == "QuantizeLinear" else None
        if zero is not None and zero.data_type == onnx.TensorProto.INT8:
            value = (numpy_helper.to_array(zero).astype(np.int16) + 128).astype(np.uint8)
            zero.CopyFrom(numpy_helper.from_array(value, zero.name))
    del changed.graph.value_info[:]
    onnx.checker.check_model(changed)
    return changed


def export_openvino(model: SentenceTransformer, texts: Sequence[str], folder: Path) -> SentenceTransformer:
    """Write the static INT8 of sentence-transformers for OpenVINO into a folder, and load it.

    Args:
        model: the model in FP32.
        texts: calibration texts.
        folder: an existing folder.
    """
    from sentence_transformers import SentenceTransformer, export_static_quantized_openvino_model

    aside, made, data = (folder / name for name in ("torch", "openvino", "texts"))
    data.mkdir()
    (data / "train.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    model.save(str(aside))
    exact = SentenceTransformer(str(aside), backend="openvino", device="cpu", model_kwargs={"export": True})
    exact.save(str(made))
    export_static_quantized_openvino_model(
        exact, None, str(made), dataset_name=str(data), dataset_config_name="default", dataset_split="train",
        column_name="text", file_suffix="int8",
    )  # fmt: skip
    quantized: SentenceTransformer = SentenceTransformer(
        str(made), backend="openvino", device="cpu", model_kwargs={"file_name": "openvino/openvino_model_int8.xml"}
    )
    quantized.max_seq_length = model.max_seq_length
    return quantized
