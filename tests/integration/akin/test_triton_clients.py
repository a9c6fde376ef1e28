"""Run the examples of docs/triton-clients.md unchanged, except for the addresses."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from akin.stack.triton import TritonProcess
from akin.stack_settings import ROOT

pytestmark = pytest.mark.integration

EXAMPLES = re.findall(r"```(bash|python)\n(.*?)```", (ROOT / "docs/triton-clients.md").read_text(), re.DOTALL)


def run(triton: TritonProcess, language: str, code: str) -> str:
    code = code.replace("127.0.0.1:8000", triton.http).replace("127.0.0.1:8001", triton.grpc)
    command = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def example(beginning: str) -> tuple[str, str]:
    (found,) = [each for each in EXAMPLES if beginning in each[1]]
    return found


def test_the_page_has_examples_of_every_protocol() -> None:
    assert [language for language, _ in EXAMPLES].count("python") == 3
    assert [language for language, _ in EXAMPLES].count("bash") == 4


def test_curl_in_json(triton: TritonProcess) -> None:
    outputs = {each["name"]: each for each in json.loads(run(triton, *example('"data": ["graph')))["outputs"]}
    assert outputs["EMBEDDING"]["shape"] == [2, 384]
    assert outputs["TOKENS"]["data"] == [5, 7]


def test_curl_says_that_a_text_is_a_passage(triton: TritonProcess) -> None:
    (output,) = json.loads(run(triton, *example('"input_type": "passage"},\n')))["outputs"]
    assert output["shape"] == [1, 384]


def test_curl_in_binary_gives_the_vector_of_the_client(triton: TritonProcess) -> None:
    numbers = [float(number) for number in run(triton, *example("binary_data_size")).split()]
    assert len(numbers) == 384
    assert sum(number * number for number in numbers) == pytest.approx(1, abs=1e-4)


def test_python_over_grpc(triton: TritonProcess) -> None:
    assert run(triton, *example("import tritonclient.grpc as")).startswith("(2, 384) cosine 0.")


def test_python_over_grpc_in_bulk(triton: TritonProcess) -> None:
    assert run(triton, *example("import tritonclient.grpc.aio as")) == "(500, 384)\n"


def test_python_over_http(triton: TritonProcess) -> None:
    assert re.fullmatch(r"\(1, 384\) [0-9a-f]{64}\n", run(triton, *example("import tritonclient.http as")))


def test_readiness(triton: TritonProcess) -> None:
    assert run(triton, *example("/ready")) == "version 1 is ready\n"
