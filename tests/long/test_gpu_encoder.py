"""Run `akin encoder gpu 1 --runtime auto --device cpu`, the dry run of an export for a GPU, and serve its result."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

from akin.registry.versions import promoted_version
from akin.stack import lifecycle
from akin.stack.processes import free_ports
from akin.stack.triton import start_triton
from akin.stack_settings import Settings
from tests.conftest import akin, environment_for

pytestmark = pytest.mark.long
CANONICAL = json.loads((Path(__file__).parents[1] / "data/canonical_vectors.json").read_text())


@pytest.mark.parametrize("runtime", ["auto", "torch", "ort-cuda"])
def test_a_version_is_measured_chosen_and_served(encoder_repository: Path, tmp_path: Path, runtime: str) -> None:
    repository = tmp_path / "models"
    shutil.copytree(encoder_repository / "text_encoder", repository / "text_encoder")
    environment = environment_for(tmp_path, repository)
    arguments = ("encoder", "gpu", "1", "--runtime", runtime, "--device", "cpu", "--json")
    done = akin(*arguments, environment=environment, seconds=900)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    usable = {each["runtime"] for each in made["measured"] if "unusable" not in each}
    assert usable == ({"torch", "ort-cuda", "ort-tensorrt"} if runtime == "auto" else {runtime})
    assert made["runtime"] in usable
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AKIN_ENCODER_INNER", "encoder")
        settings = Settings.read(environment)
        running = start_triton(settings, tuple(free_ports(3)), promoted_version(repository), tmp_path / "triton.log")
    try:
        client = InferenceServerClient(running.grpc)
        tensor = InferInput("TEXT", [len(CANONICAL["texts"]), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[text.encode()] for text in CANONICAL["texts"]], dtype=object))
        vectors = client.infer("text_encoder", [tensor]).as_numpy("EMBEDDING")
        client.close()
    finally:
        lifecycle.stop([running.child])
    assert (vectors * np.array(CANONICAL["vectors"])).sum(axis=1).min() > 0.99
