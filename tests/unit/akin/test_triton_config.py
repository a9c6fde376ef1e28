"""Check the model's configuration with Triton's own schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from akin.errors import EncoderError
from akin.settings import ROOT
from akin.stack.triton import model_config


def test_the_load_request_names_exactly_one_version() -> None:
    config = model_config(ROOT / "model_repository", 3)
    assert config["version_policy"] == {"specific": {"versions": ["3"]}}
    assert config["name"] == "text_encoder"
    assert config["max_batch_size"] == 64


def test_one_instance_serves_and_its_batches_gather_without_delay_or_policy() -> None:
    config = model_config(ROOT / "model_repository", 1)
    assert config["instance_group"] == [{"count": 1, "kind": "KIND_CPU"}]
    assert config["dynamic_batching"] == {}


def test_a_configuration_that_triton_does_not_know_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text_encoder" / "config.pbtxt"
    path.parent.mkdir()
    path.write_text('name: "text_encoder"\nmax_bach_size: 3\n')
    with pytest.raises(EncoderError, match="max_bach_size"):
        model_config(tmp_path, 1)


def test_a_missing_configuration_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"config\.pbtxt"):
        model_config(tmp_path, 1)
