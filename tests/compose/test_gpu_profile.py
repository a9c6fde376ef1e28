"""The profile `gpu` without a GPU, on a stand-in for NVIDIA's image: `make compose-test`.

Everything but the GPU and that image is real: the FP16 graph and its configuration made by `export-gpu`, our image on
top of theirs, the two models and what passes between them, the service with the GPU's FAISS, who waits for whom. The
stand-in has the wheel's server in the places of NVIDIA's, and plays its backend `onnxruntime` on the CPU.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from akin.stack_settings import ROOT
from tests.compose.stack import FIRST_START_SECONDS, MARKS, PROJECT, Stack, running
from tests.servers import within

FOLDER = Path(__file__).parent / "nvidia"
CANONICAL = json.loads((ROOT / "tests/data/canonical_vectors.json").read_text())

pytestmark = MARKS


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stand_in = Stack(PROJECT, ("-f", str(FOLDER / "compose.yml")), REQUIREMENTS=str(ROOT / "requirements"))
    stand_in.done("build", seconds=FIRST_START_SECONDS)
    files = ("-f", "docker-compose.yml", "-f", str(FOLDER / "without-gpu.yml"), "--profile", "gpu")
    stack = Stack(f"{PROJECT}-gpu", files, AKIN_CPU_SERVICES="0", TRITON_IMAGE=f"localhost/{PROJECT}/nvidia")
    with running(stack):
        yield stack


def test_it_answers_whole_without_the_services_of_the_cpu(stack: Stack) -> None:
    answer = stack.search()
    assert (answer["searched"], answer["degraded"]) == (314, None)
    assert "graph" in answer["results"][0]["title"].lower()
    there = stack.done("ps")
    assert re.search(r"[_-]triton-gpu[_-]1", there)
    assert not re.search(r"gpu[_-](triton|retrieval)[_-]1", there)


def test_the_vectors_are_those_of_fp16(stack: Stack) -> None:
    texts = CANONICAL["texts"]
    found = [httpx.post(f"{stack.service}/embed", json={"abstract": text}, timeout=10).json() for text in texts]
    cosines = (np.array([each["embedding"] for each in found]) * np.array(CANONICAL["vectors"])).sum(axis=1)
    assert cosines.min() > 0.999  # of the INT8 encoder it is 0.98
    assert "is warm: inner" in stack.done("logs", "triton-gpu")


def test_what_has_no_gpu_searches_in_main_memory_and_says_why(stack: Stack) -> None:
    components = httpx.get(f"{stack.service}/health/ready", timeout=5).json()["components"]
    assert components["snapshot"]["without_gpu"].startswith("there is no NVIDIA driver")


def test_everyone_said_for_whom_they_waited(stack: Stack) -> None:
    assert "waiting for an encoder" in stack.done("logs", "export-gpu")
    assert re.search(r"version 1 of encoder is made, for tensorrt", stack.done("logs", "export-gpu"))
    assert "waiting for the model encoder" in stack.done("logs", "triton-gpu")


def test_search_survives_a_killed_triton(stack: Stack) -> None:
    stack.done("kill", "triton-gpu")
    within(30, "the service notices", lambda: stack.health() == "degraded")
    stack.done("start", "triton-gpu")
    within(120, "whole answers again", lambda: stack.search()["degraded"] is None)


@pytest.mark.parametrize("service", ["triton-gpu", "retrieval-gpu"])
def test_nobody_is_root(stack: Stack, service: str) -> None:
    assert stack.done("exec", "-T", service, "id", "-u").strip().endswith("10001")


@pytest.mark.parametrize(
    ("service", "environment", "code", "line"),
    [
        ("triton-gpu", {"AKIN_ENCODER_INNER": "other", "AKIN_WAIT_SECONDS": "0"}, 4, "AKIN_ENCODER_INNER is 'other'"),
        (
            "retrieval-gpu",
            {"AKIN_VECTOR_DEVICE": "tpu"},
            2,
            "AKIN_VECTOR_DEVICE is 'tpu': it must be 'cpu', 'auto'",
        ),
        ("export-gpu", {"AKIN_GPU_RUNTIME": "plan"}, 2, "AKIN_GPU_RUNTIME is 'plan'"),
    ],
)
def test_bad_input_ends_a_service_with_a_line_and_a_code(
    stack: Stack, service: str, environment: dict[str, str], code: int, line: str
) -> None:
    found, output = stack.run(service, **environment)
    assert (found, line in output, "Traceback" in output) == (code, True, False), output


def test_what_is_there_is_not_made_again(stack: Stack) -> None:
    code, output = stack.run("export-gpu")
    assert code == 0
    assert "version 1 of encoder is already made" in output
