"""The training image trains: `make compose-test`. Only the service `export` is built; nothing else is started."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.compose.stack import FIRST_START_SECONDS, MARKS, PROJECT, Stack

TRAINING_SECONDS = 1200  # a minute on an idle machine

pytestmark = MARKS


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack(f"{PROJECT}-training")
    stack.compose("down", "-v")  # what an earlier run left that was killed
    stack.done("build", "export", seconds=FIRST_START_SECONDS)
    try:
        yield stack
    finally:
        stack.done("down", "-v")


def test_an_encoder_is_trained_evaluated_and_promoted_inside_the_image(stack: Stack) -> None:
    command = ("akin", "train", "experiment=smoke")
    code, output = stack.run("export", *command, seconds=TRAINING_SECONDS)
    assert code == 0, output[-4000:]
    assert "encoder version 1 is exported and promoted" in output
    code, output = stack.run("export", "cat", "/models/text_encoder/1/manifest.json")
    manifest = json.loads(output[output.index("{") :])
    assert code == 0
    assert manifest["training"]["steps"] == 20
    assert manifest["training"]["experiment"] == "smoke"
    code, output = stack.run("export", "sh", "-c", "cat /data/training/*/evaluate/report.md")
    assert code == 0
    assert "nDCG@10" in output


def test_the_version_that_was_trained_is_the_one_that_serves(stack: Stack) -> None:
    """Run the image's own command on the same volumes: it must not make another version."""
    code, output = stack.run("export")
    assert code == 0, output
    assert "version 1 of text_encoder serves already" in output
