"""Convert graphs to FP16 for GPUs, which halves the memory and uses tensor cores; inputs and output keep their types.

There are two kinds of graph, for two runtimes. TensorRT fuses operators itself and supports only the ONNX standard, so
its graph keeps the standard's operators. ONNX Runtime's CUDA provider gets its own fused operators, optimum's level O4.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from training.errors import QuantizationError, UnsupportedModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def convert(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of the graph with the same operators in FP16, integer inputs and an FP32 output.

    Everything after the last matrix product (the last layer norm, pooling, normalisation) stays in FP32: this costs no
    time, and in FP16 the length of a vector would be exact to three digits only.

    Args:
        graph: graph in FP32; it is not changed.

    Raises:
        QuantizationError: The graph has no matrix product.
    """
    copied = onnx.ModelProto()
    copied.CopyFrom(graph)
    last = max((index for index, node in enumerate(copied.graph.node) if node.op_type == "MatMul"), default=None)
    if last is None:
        raise QuantizationError("the graph has no matrix product: there is nothing to convert to FP16")
    behind = [node.name for node in copied.graph.node[last + 1 :]]
    converted: onnx.ModelProto = convert_float_to_float16(copied, keep_io_types=True, node_block_list=behind)
    wrapped = OnnxModel(converted)
    # The conversion appends its casts at the end, but the standard requires each node after those it reads.
    wrapped.topological_sort()
    ordered: onnx.ModelProto = wrapped.model
    onnx.checker.check_model(ordered)
    return ordered


def convert_fused(graph: onnx.ModelProto, model: SentenceTransformer) -> onnx.ModelProto:
    """Return the graph in FP16 with ONNX Runtime's own operators.

    Layer norms with their residuals and GELU are fused. Attention is not, because the optimiser does not recognise the
    form that today's exporter writes. ONNX Runtime adds the optimisations that need a GPU when it loads the graph.

    Raises:
        UnsupportedModel: The optimiser does not support the architecture, or this release of transformers.
    """
    try:
        from optimum.onnxruntime import ORTOptimizer
        from optimum.onnxruntime.configuration import AutoOptimizationConfig
    except (ImportError, RuntimeError) as error:
        raise UnsupportedModel(f"optimum makes O4, and cannot be imported here: {error}") from error

    transformer: Any = model[0]
    config = transformer.auto_model.config
    with tempfile.TemporaryDirectory(prefix="akin-o4-") as scratch:
        folder = Path(scratch)
        onnx.save(graph, folder / "model.onnx")
        config.save_pretrained(folder)
        try:
            optimizer = ORTOptimizer.from_pretrained(folder)
            # Symbolic shape inference stays on: without it, ONNX's own would run, which rejects fused operators.
            optimizer.optimize(AutoOptimizationConfig.O4(), save_dir=folder / "o4")
        except (KeyError, NotImplementedError, ValueError) as error:
            raise UnsupportedModel(
                f"{config.model_type} has no O4 optimisation: {error}. Choose --runtime tensorrt, which needs none."
            ) from error
        return onnx.load(folder / "o4" / "model_optimized.onnx")
