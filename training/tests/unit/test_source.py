from pathlib import Path

import pytest

from training.errors import SourceError
from training.registry import source


def test_a_folder_without_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no modules\.json"):
        source.resolve(str(tmp_path))


@pytest.mark.parametrize("name", ["/nowhere/model", "./model", "a/b/c"])
def test_a_path_to_nothing_is_not_taken_for_a_hub_id(name: str) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        source.resolve(name)


def test_an_owner_and_a_name_are_a_hub_id() -> None:
    assert source.resolve("owner/name") == source.ModelSource("name", "owner/name", "hub owner/name")


def test_the_origin_holds_no_path_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "modules.json").write_text("[]")
    found = source.resolve(str(folder))
    assert (found.name, found.origin) == ("mine", "folder mine")


def test_other_weights_than_the_published_ones_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"others")
    with pytest.raises(SourceError, match="not the published weights"):
        source.verify(weights, source.DEFAULT_SHA256)
    with pytest.raises(SourceError, match="cannot be read"):
        source.verify(tmp_path / "none", source.DEFAULT_SHA256)
