"""Simplified graphs have fewer operators and the same output."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from training.compression.onnx_export import INPUTS, OUTPUT, Vectors, trace
from training.compression.simplify import simplify
from training.registry import source

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # tracing warns of every branch on a shape
]


def traced(folder: Path, scratch: Path) -> onnx.ModelProto:
    model = source.load(source.resolve(str(folder)))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            # Untrained biases are all zero, and tracing merges equal constants.
            torch.nn.init.normal_(parameter, std=0.02)
    example = dict.fromkeys(INPUTS, torch.ones((2, 16), dtype=torch.int64))
    trace(Vectors(*model), example, OUTPUT, scratch / "model.onnx")
    return onnx.load(scratch / "model.onnx")


def run(model: onnx.ModelProto, feed: dict[str, Any]) -> Any:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {value.name: feed[value.name] for value in model.graph.input})[0]


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_vectors_stay_the_same_in_padded_batches_of_any_shape(
    kind: str, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    before = traced(tiny_model(kind), tmp_path)
    after = simplify(before)
    chance = np.random.default_rng(0)
    for texts, tokens in ((1, 5), (4, 30), (3, 48)):
        mask = (np.arange(tokens) < chance.integers(2, tokens + 1, texts)[:, None]).astype(np.int64)
        ids = chance.integers(5, 60, (texts, tokens))
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        np.testing.assert_allclose(run(after, feed), run(before, feed), atol=1e-5)


def test_needless_operators_of_tracing_are_removed(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    before = traced(tiny_model("bert"), tmp_path)
    after = simplify(before)
    kinds = Counter(node.op_type for node in after.graph.node)
    # The scales of query and key in two layers are gone; GELU (two for each layer) and pooling still multiply.
    assert kinds["Sqrt"] == 0
    assert Counter(node.op_type for node in before.graph.node)["Mul"] - kinds["Mul"] >= 4
    masks = [node for node in after.graph.node if node.op_type == "Expand" and "nsqueeze" in node.input[0]]
    assert len(masks) <= 1, "the pooling's expansion of the mask may stay, the attention's may not"
