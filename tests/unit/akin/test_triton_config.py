"""Check the model's configuration with Triton's own schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from akin.errors import EncoderError
from akin.stack import triton
from akin.stack.triton import model_config
from akin.stack_settings import ROOT


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


def test_the_reranker_has_a_configuration_of_its_own() -> None:
    config = model_config(ROOT / "model_repository", 2, model="reranker")
    assert config["name"] == "reranker"
    assert config["version_policy"] == {"specific": {"versions": ["2"]}}
    assert {each["name"] for each in config["input"]} == {"QUERY", "TEXT"}  # type: ignore[attr-defined]


def test_a_stack_without_a_working_reranker_starts_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def load_model(http: str, model: str, body: dict[str, object], *_: object) -> None:
        asked.append((model, body))

    monkeypatch.setattr(triton, "load_model", load_model)
    assert not triton.load_reranker("here", tmp_path, tmp_path / "log", key="k")
    assert (asked, capsys.readouterr().err) == ([], "")

    folder = tmp_path / "reranker"
    (folder / "3").mkdir(parents=True)
    (folder / "PROMOTED").write_text("3\n")
    (folder / "3/manifest.json").write_text('{"digest": "d"}')
    assert not triton.load_reranker("here", tmp_path, tmp_path / "log", key="k")
    assert "searches are not reranked" in capsys.readouterr().err

    (folder / "config.pbtxt").write_bytes((ROOT / "model_repository/reranker/config.pbtxt").read_bytes())
    assert triton.load_reranker("here", tmp_path, tmp_path / "log", key="k")
    assert [model for model, _ in asked] == ["reranker"]
