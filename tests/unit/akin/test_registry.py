from __future__ import annotations

import json
from pathlib import Path

import pytest

from akin.errors import EncoderError
from akin.registry import promotion, versions


def publish(repository: Path, number: int, digest: str = "ab") -> None:
    folder = repository / versions.MODEL / str(number)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"digest": digest, "version": number}))


def test_versions_are_in_order_and_one_is_promoted(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        publish(tmp_path, number)
    versions.set_promoted_version(tmp_path, 2)
    found = versions.versions(tmp_path)
    assert [(version.number, version.promoted) for version in found] == [(1, False), (2, True), (10, False)]
    assert versions.promoted_version(tmp_path).number == 2


def test_other_folders_are_not_versions(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    (tmp_path / versions.MODEL / ".exporting-2").mkdir()
    (tmp_path / versions.MODEL / "config.pbtxt").write_text("")
    assert [version.number for version in versions.versions(tmp_path)] == [1]


def test_an_empty_registry_is_reported_with_the_next_step(tmp_path: Path) -> None:
    assert versions.versions(tmp_path) == []
    with pytest.raises(EncoderError, match="akin encoder export"):
        versions.promoted_version(tmp_path)


def test_promoting_a_missing_version_changes_nothing(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    versions.set_promoted_version(tmp_path, 1)
    with pytest.raises(EncoderError, match="version 7 is not in"):
        versions.set_promoted_version(tmp_path, 7)
    assert versions.promoted_version(tmp_path).number == 1


def test_a_pointer_to_a_removed_version_is_reported(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    versions.set_promoted_version(tmp_path, 1)
    (tmp_path / versions.MODEL / "1" / "manifest.json").unlink()
    (tmp_path / versions.MODEL / "1").rmdir()
    with pytest.raises(EncoderError, match=r"version 1 is not in .* \(it has: none\)"):
        versions.promoted_version(tmp_path)


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"digest": 3}'])
def test_a_damaged_manifest_names_its_file(tmp_path: Path, content: str) -> None:
    publish(tmp_path, 1)
    path = tmp_path / versions.MODEL / "1" / "manifest.json"
    path.write_text(content)
    with pytest.raises(EncoderError, match=str(path)):
        versions.versions(tmp_path)


def test_a_damaged_pointer_names_its_file(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    (tmp_path / versions.MODEL / versions.POINTER).write_text("latest")
    with pytest.raises(EncoderError, match="PROMOTED holds 'latest'"):
        versions.promoted_version(tmp_path)


def test_rerankers_have_a_registry_of_their_own(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    for number in (1, 2):
        folder = tmp_path / versions.RERANKER / str(number)
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"digest": f"d{number}"}))
    assert promotion.promote(tmp_path, 1, model=versions.RERANKER) is not None
    with pytest.raises(EncoderError, match=r"not evaluated\. Run `akin evaluate --reranker 2 .*--override REASON"):
        promotion.promote(tmp_path, 2, model=versions.RERANKER)
    promotion.promote(tmp_path, 2, override="better", model=versions.RERANKER)
    assert versions.promoted_version(tmp_path, versions.RERANKER).number == 2
    assert versions.promoted_number(tmp_path) is None
    assert promotion.rollback(tmp_path, versions.RERANKER).version == 1
    assert [line.version for line in promotion.history(tmp_path, versions.RERANKER)] == [1, 2, 1]
    assert promotion.history(tmp_path) == []
    with pytest.raises(EncoderError, match=r"reranker version 7 .* `akin reranker list`"):
        versions.find(tmp_path, 7, versions.RERANKER)
