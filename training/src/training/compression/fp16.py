"""FP16 graphs for GPUs: half the memory and the tensor cores' full speed, with inputs and output as they were.

Two kinds, for two runtimes. TensorRT fuses for itself and knows the ONNX standard only, so it gets the plain graph.
ONNX Runtime's CUDA provider gets the graph with its own fused operators, optimum's level O4.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from training.errors import UnsupportedModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def convert(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same operators in FP16; integer inputs and the FP32 output stay.

    What lies behind the last matrix product (the last layer norm, pooling, the division by the length) stays in FP32:
    it costs nothing, and in FP16 a vector's length would be one to three digits only.

    Args:
        graph: FP32; it stays as it is.
    """
    copied = onnx.ModelProto()
    copied.CopyFrom(graph)
    last = max(index for index, node in enumerate(copied.graph.node) if node.op_type == "MatMul")
    behind = [node.name for node in copied.graph.node[last + 1 :]]
    converted: onnx.ModelProto = convert_float_to_float16(copied, keep_io_types=True, node_block_list=behind)
    wrapped = OnnxModel(converted)
    # The conversion appends its casts at the end; the standard wants every node behind what it reads.
    wrapped.topological_sort()
    ordered: onnx.ModelProto = wrapped.model
    onnx.checker.check_model(ordered)
    return ordered


def convert_fused(graph: onnx.ModelProto, model: SentenceTransformer) -> onnx.ModelProto:
    """The graph with ONNX Runtime's own operators, in FP16.

    Layer norms with their residuals and GELU are fused here; attention only where the exporter wrote it in a form that
    the optimiser knows, which is not so for today's. What takes a GPU to be optimised, ONNX Runtime does at load.

    Raises:
        UnsupportedModel: The optimiser does not know the architecture.
    """
    from optimum.onnxruntime import ORTOptimizer
    from optimum.onnxruntime.configuration import AutoOptimizationConfig

    transformer: Any = model[0]
    config = transformer.auto_model.config
    with tempfile.TemporaryDirectory(prefix="akin-o4-") as scratch:
        folder = Path(scratch)
        onnx.save(graph, folder / "model.onnx")
        config.save_pretrained(folder)
        try:
            optimizer = ORTOptimizer.from_pretrained(folder)
            # With symbolic shape inference switched off it would use ONNX's own, which refuses fused operators.
            optimizer.optimize(AutoOptimizationConfig.O4(), save_dir=folder / "o4")
        except (KeyError, NotImplementedError, ValueError) as error:
            raise UnsupportedModel(
                f"{config.model_type} has no O4 optimisation: {error}. TensorRT needs none."
            ) from error
        return onnx.load(folder / "o4" / "model_optimized.onnx")
