"""Serve with a runtime of packages on the embedded Triton, as on a GPU without a container; the device is the CPU."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tritonclient.grpc import InferenceServerClient, InferInput

from akin.registry import gpu
from akin.registry.versions import promoted_version
from akin.stack import lifecycle
from akin.stack.processes import free_ports
from akin.stack.triton import start_triton
from akin.stack_settings import ROOT, Settings
from tests.conftest import environment_for

pytestmark = pytest.mark.integration
DIM = 384
# The cosines of the token ids at many frequencies, summed over the tokens: a graph without weights.
GRAPH = """
import sys
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

rates = numpy_helper.from_array(np.linspace(0.001, 1, 384, dtype=np.float32).reshape(1, 1, -1), "rates")
last, one = (numpy_helper.from_array(np.array([at], np.int64), name) for at, name in ((2, "last"), (1, "one")))
nodes = [
    helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
    helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
    helper.make_node("Unsqueeze", ["ids", "last"], ["ids3"]),
    helper.make_node("Unsqueeze", ["mask", "last"], ["mask3"]),
    helper.make_node("Mul", ["ids3", "rates"], ["angles"]),
    helper.make_node("Cos", ["angles"], ["waves"]),
    helper.make_node("Mul", ["waves", "mask3"], ["masked"]),
    helper.make_node("ReduceSum", ["masked", "one"], ["sum"], keepdims=0),
    helper.make_node("LpNormalization", ["sum"], ["embedding"], axis=1),
]
inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "length"])
          for name in ("input_ids", "attention_mask")]
output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["rows", 384])
graph = helper.make_graph(nodes, "waves", inputs, [output], [rates, last, one])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), sys.argv[1])
"""


def expected(tokens: list[int]) -> NDArray[np.float32]:
    waves = np.cos(np.outer(np.array(tokens, np.float32), np.linspace(0.001, 1, DIM, dtype=np.float32))).sum(axis=0)
    vector: NDArray[np.float32] = waves / np.linalg.norm(waves)
    return vector


@pytest.fixture(scope="module")
def repository(encoder_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a repository whose `encoder` has the tiny graph and the code that a GPU's version has."""
    python = Settings.read().training_python
    if not python.exists():
        pytest.skip(f"there is no training environment at {python}")
    models = tmp_path_factory.mktemp("packages") / "models"
    shutil.copytree(encoder_repository / "text_encoder", models / "text_encoder")
    folder = models / "encoder/1"
    folder.mkdir(parents=True)
    for path in (ROOT / "model_repository/encoder").glob("*.py"):
        shutil.copy(path, folder)
    subprocess.run([str(python), "-c", GRAPH, str(folder / "model.onnx")], check=True)
    made = {
        "version": 1, "runtime": "ort-cuda", "device": "cpu", "inputs": ["input_ids", "attention_mask"], "dim": DIM,
        "max_length": 256,
    }  # fmt: skip
    (folder / "made.json").write_text(json.dumps(made))
    gpu.write(models, made, gpu.PACKAGES)
    return models


@pytest.fixture(scope="module")
def client(repository: Path) -> Iterator[InferenceServerClient]:
    folder = repository.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AKIN_ENCODER_INNER", gpu.INNER_MODEL)
        settings = Settings.read(environment_for(folder, repository))
        running = start_triton(settings, tuple(free_ports(3)), promoted_version(repository), folder / "triton.log")
    client = InferenceServerClient(running.grpc)
    yield client
    client.close()
    lifecycle.stop([running.child])


def embed(client: InferenceServerClient, texts: list[str]) -> NDArray[np.float32]:
    tensor = InferInput("TEXT", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=object))
    found: NDArray[np.float32] = client.infer("text_encoder", [tensor]).as_numpy("EMBEDDING")
    return found


def test_texts_get_the_vectors_of_the_runtime_alone_and_in_a_batch(
    client: InferenceServerClient, repository: Path
) -> None:
    texts = ["spin glasses", "a longer text about the early universe and its light " * 3, "x", "word " * 500]
    tokenizer = Tokenizer.from_file(str(repository / "text_encoder/1/tokenizer.json"))
    tokenizer.enable_truncation(json.loads((repository / "text_encoder/1/manifest.json").read_text())["max_length"])
    exact = np.array([expected(each.ids) for each in tokenizer.encode_batch(texts)])
    np.testing.assert_allclose(embed(client, texts), exact, atol=2e-3)
    alone = np.vstack([embed(client, [text]) for text in texts])
    np.testing.assert_allclose(alone, exact, atol=2e-3)
    many = embed(client, texts * 16)
    np.testing.assert_allclose(many, np.tile(exact, (16, 1)), atol=2e-3)


def test_the_log_names_runtime_and_device(client: InferenceServerClient, repository: Path) -> None:
    log = (repository.parent / "triton.log").read_text(errors="replace")
    assert "encoder version 1 is warm: ort-cuda (onnxruntime " in log
    assert ") on cpu" in log
