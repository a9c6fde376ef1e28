import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from training.errors import ConfigurationError, SourceError
from training.fit import losses
from training.fit.batches import PairFile
from training.fit.losses import Loss, build_loss, check, check_kinds
from training.pipeline.composition import compose, groups

DIM = 8
TEXTS = {"anchor": ["graph kernel", "quark"], "positive": ["lattice tensor", "neuron spin"]}


@pytest.fixture(scope="module")
def folder(tiny_bert: Callable[..., Path]) -> Path:
    return tiny_bert(DIM)


@pytest.fixture
def model(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


def configure(name: str, source: Path) -> Loss:
    """Return the loss of that name; other models that it needs are the model itself."""
    keys = {"gist": [f"loss.guide={source}"], "distillation": [f"loss.teacher={source}"]}
    return compose([f"loss={name}", *keys.get(name, [])]).loss


@pytest.mark.parametrize("name", groups()["loss"])
def test_every_loss_is_built_and_gives_a_number(
    name: str, model: SentenceTransformer, folder: Path, tmp_path: Path
) -> None:
    settings = configure(name, folder)
    (tmp_path / "pairs.jsonl").write_text(
        "".join(json.dumps(dict(zip(TEXTS, texts, strict=True))) + "\n" for texts in zip(*TEXTS.values(), strict=True))
    )
    built = build_loss(settings, model, pairs=PairFile(tmp_path / "pairs.jsonl", frozenset({"pairs"}), tmp_path))
    assert isinstance(built, nn.Module)
    labels = torch.tensor([1, 0]) if settings.needs_labels else None
    if hasattr(built, "add_labels"):
        labels = torch.tensor(built.add_labels(TEXTS)["label"])
    value = built([model.preprocess(TEXTS[column]) for column in ("anchor", "positive")], labels)
    value = value["loss"] if isinstance(value, dict) else value
    assert torch.isfinite(value)


@pytest.mark.parametrize("name", groups()["loss"])
def test_a_loss_accepts_either_labelled_pairs_or_others(name: str, folder: Path) -> None:
    settings = configure(name, folder)
    check(settings, settings.needs_labels)
    with pytest.raises(ConfigurationError, match=f"loss={settings.name}"):
        check(settings, not settings.needs_labels)


def test_each_kind_of_pairs_has_its_loss() -> None:
    made = compose(["+loss@losses.halves=gist", "+loss@losses.subject=cosent", "losses.halves.margin=0.1"])
    assert made.loss_of("title") == made.loss
    assert (made.loss_of("halves").name, made.losses["halves"].margin) == ("gist", 0.1)
    check_kinds(made.loss, made.losses, ["halves", "subject", "title"], True, streaming=False)
    with pytest.raises(ConfigurationError, match="loss=cosent learns from labelled"):
        check_kinds(made.loss, made.losses, ["halves", "subject", "title"], False, streaming=False)
    with pytest.raises(ConfigurationError, match=r"losses\.halves: there are no pairs"):
        check_kinds(made.loss, made.losses, ["subject", "title"], True, streaming=False)
    with pytest.raises(ConfigurationError, match=r"pairs=texts.*loss=distillation"):
        check_kinds(made.loss, {}, ["texts"], False, streaming=False)
    check_kinds(compose(["loss=distillation"]).loss, {}, ["texts"], False, streaming=False)
    with pytest.raises(ConfigurationError, match="a stream has one loss"):
        check_kinds(made.loss, made.losses, ["halves", "subject", "title"], True, streaming=True)


@pytest.mark.parametrize("name", groups()["loss"])
def test_matryoshka_is_refused_where_the_loss_does_not_allow_it(
    name: str, model: SentenceTransformer, folder: Path
) -> None:
    settings = configure(name, folder)
    if settings.allows_matryoshka:
        assert type(build_loss(settings, model, [DIM, 4])).__name__ == "MatryoshkaLoss"
        with pytest.raises(ConfigurationError, match="16 is more"):
            build_loss(settings, model, [16])
    else:
        with pytest.raises(ConfigurationError, match=f"loss={settings.name}"):
            build_loss(settings, model, [DIM])


def test_another_model_that_cannot_be_loaded_is_named_by_its_key(model: SentenceTransformer) -> None:
    with pytest.raises(SourceError, match=r"^loss\.guide: /nowhere"):
        build_loss(compose(["loss=gist", "loss.guide=/nowhere"]).loss, model)


def test_every_class_of_loss_can_be_chosen() -> None:
    def leaves(cls: type[Loss]) -> set[str]:
        return {str(cls.__struct_config__.tag)}.union(*map(leaves, cls.__subclasses__()))

    assert set().union(*map(leaves, losses.Loss.__subclasses__())) == {
        configure(name, Path("x")).name for name in groups()["loss"]
    }
