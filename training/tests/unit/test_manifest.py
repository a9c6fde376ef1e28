import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from training.registry import manifest


def test_digest_is_of_the_canonical_json() -> None:
    text = '{"graph":"aa","max_length":256,"passage_text_version":1,"tokenizer":"bb"}'
    assert manifest.encoder_digest("aa", "bb", 256, 1) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "other", [("ab", "bb", 256, 1), ("aa", "bc", 256, 1), ("aa", "bb", 255, 1), ("aa", "bb", 256, 2)]
)
def test_digest_changes_with_each_part(other: tuple[str, str, int, int]) -> None:
    assert manifest.encoder_digest(*other) != manifest.encoder_digest("aa", "bb", 256, 1)


@pytest.mark.parametrize("none", [None, {}, {"query": ""}, {"query": "", "passage": ""}])
def test_without_prompts_the_digest_is_the_one_of_earlier_releases(none: dict[str, str] | None) -> None:
    assert manifest.encoder_digest("aa", "bb", 256, 1, none) == manifest.encoder_digest("aa", "bb", 256, 1)


def test_prompts_change_the_digest_and_each_has_its_place() -> None:
    prompts = '{"passage":"","query":"q: "}'
    text = f'{{"graph":"aa","max_length":9,"passage_text_version":1,"prompts":{prompts},"tokenizer":"bb"}}'
    digest = manifest.encoder_digest("aa", "bb", 9, 1, {"query": "q: "})
    assert digest == hashlib.sha256(text.encode()).hexdigest()
    others = [{"passage": "q: "}, {"query": "q:"}, {"query": "q: ", "passage": "p: "}]
    assert len({digest, *(manifest.encoder_digest("aa", "bb", 9, 1, other) for other in others)}) == 4


def describe(folder: Path, **more: Any) -> dict:
    return manifest.build_manifest(
        folder, name="tiny", dim=4, max_length=16, inputs=["input_ids"], pad_id=0, base={}, recipe={}, **more,
    )  # fmt: skip


def test_prompts_are_in_the_manifest_only_if_there_are_some(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    without = describe(tmp_path)
    assert not {"prompts", "abstract_as"} & without.keys()
    assert describe(tmp_path, prompts={"query": "", "passage": ""})["digest"] == without["digest"]
    given = describe(tmp_path, prompts={"query": "q: "}, abstract_as="passage")
    assert given["prompts"] == {"query": "q: ", "passage": ""}
    assert given["abstract_as"] == "passage"
    graph, tokenizer = (given["files"][name]["sha256"] for name in ("model.onnx", "tokenizer.json"))
    assert given["digest"] == manifest.encoder_digest(graph, tokenizer, 16, 1, {"query": "q: "}) != without["digest"]


def test_every_file_is_listed_with_its_digest_but_the_manifest_itself(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    manifest.write(tmp_path, describe(tmp_path))
    made = describe(tmp_path)
    assert set(made["files"]) == {"model.onnx", "tokenizer.json"}
    assert made["files"]["model.onnx"] == {"sha256": hashlib.sha256(b"graph").hexdigest(), "bytes": 5}
    expected = manifest.encoder_digest(hashlib.sha256(b"graph").hexdigest(), hashlib.sha256(b"{}").hexdigest(), 16, 1)
    assert made["digest"] == expected
    assert json.loads((tmp_path / "manifest.json").read_text())["digest"] == expected


def test_the_digest_ignores_files_that_do_not_change_vectors(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    first = describe(tmp_path)
    (tmp_path / "runtime.py").write_text("# newer code")
    assert describe(tmp_path)["digest"] == first["digest"]


def test_only_shorter_lengths_are_in_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    assert "dimensions" not in describe(tmp_path)
    assert "dimensions" not in describe(tmp_path, dimensions=(8, 4))
    assert describe(tmp_path, dimensions=(8, 3, 2))["dimensions"] == [3, 2]
