"""A model that cannot be trained or pools in another way is refused before a run, from a folder as from the hub."""

import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling

from training.errors import SourceError
from training.fit import models
from training.fit.losses import build_loss
from training.pipeline.composition import compose
from training.pipeline.stages import evaluate

DIM = 8


@pytest.fixture
def folder(tiny_bert: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a copy of a model's folder; `base` in it has no modules."""
    shutil.copytree(tiny_bert(DIM).parent, tmp_path / "made")
    return tmp_path / "made"


@pytest.fixture(params=["folder", "hub"])
def source_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Return a function that gives a model's folder, or the id of a hub that has the same files."""

    def serve(folder: Path) -> str:
        if request.param == "folder":
            return str(folder)

        def download(location: str, name: str) -> str:
            assert location == "owner/name"
            if not (folder / name).is_file():
                raise EntryNotFoundError("404")
            return str(folder / name)

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
        return "owner/name"

    return serve


def test_a_bare_encoder_is_known_before_it_is_loaded(folder: Path, source_of: Callable[[Path], str]) -> None:
    assert models.is_bare_encoder(source_of(folder / "base"))
    models.check(source_of(folder / "base"), pooling="cls")
    assert not models.is_bare_encoder(source_of(folder / "model"))
    models.check(source_of(folder / "model"))
    models.check(source_of(folder / "model"), pooling="mean")


def test_another_pooling_than_the_models_own_is_refused(folder: Path, source_of: Callable[[Path], str]) -> None:
    with pytest.raises(SourceError, match=r"^model\.source: .* pools by mean, and model\.pooling is cls"):
        models.check(source_of(folder / "model"), pooling="cls")


def test_modules_without_pooling_are_refused(folder: Path, source_of: Callable[[Path], str]) -> None:
    (folder / "model" / "modules.json").write_text(
        '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]'
    )
    with pytest.raises(SourceError, match="no module that pools"):
        models.check(source_of(folder / "model"))


def test_a_hub_that_cannot_be_reached_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: str) -> str:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    models.check("owner/name", pooling="cls")


@pytest.mark.parametrize(("name", "what"), [("model.safetensors", "weights"), ("tokenizer*", "tokenizer")])
def test_a_bare_encoder_with_missing_files_is_refused(name: str, what: str, folder: Path) -> None:
    for path in [*(folder / "base").glob(name), *(folder / "base").glob("vocab.txt")]:
        path.unlink()
    with pytest.raises(SourceError, match=f"has no {what}"):
        models.check(str(folder / "base"))


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "lasttoken"])
def test_the_configured_pooling_is_added_to_a_bare_encoder(pooling: str, folder: Path) -> None:
    base = folder / "base"
    made = models.load(compose([f"model.source={base}", f"model.pooling={pooling}"]).model)
    assert [module.pooling_mode for module in made if isinstance(module, Pooling)] == [pooling]
    with pytest.raises(SourceError, match="pools by mean"):
        models.load(compose([f"model.source={folder / 'model'}", "model.pooling=max"]).model)


def test_a_bare_encoder_is_evaluated_with_the_pooling_that_it_was_trained_with(folder: Path) -> None:
    configuration = compose([f"model.source={folder / 'base'}", "model.pooling=cls"])
    with evaluate._base(configuration) as base:
        loaded = SentenceTransformer(base, device="cpu")
    own = models.load(configuration.model).encode(["graph kernel"])
    assert loaded.encode(["graph kernel"]) == pytest.approx(own)
    with evaluate._base(compose([])) as base:
        assert base == "default"


def test_the_guide_is_by_default_the_model_before_training(folder: Path) -> None:
    model = models.load(compose([f"model.source={folder / 'model'}"]).model)
    loss = build_loss(compose(["loss=gist"]).loss, model)
    before = model.encode(["graph kernel"])
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights))
    assert loss.guide.encode(["graph kernel"]) == pytest.approx(before)
    assert model.encode(["graph kernel"]) != pytest.approx(before)
