"""Check which models are refused, and which prompts and lengths a model is served with."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_encoders
from tiny_encoders import Shape

from training.errors import SourceError, UnsupportedModel
from training.registry import adapter, recipes, source, supported

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoders.build(Shape(), tmp_path_factory.mktemp("bert") / "model")


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoders.build(Shape("roberta"), tmp_path_factory.mktemp("roberta") / "model")


def load(folder: Path) -> Any:
    return source.load(source.resolve(str(folder)))


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ({}, ("", "")),
        ({"prompts": {}}, ("", "")),
        ({"prompts": {"query": "q: ", "passage": "p: "}}, ("q: ", "p: ")),
        ({"prompts": {"query": "q: ", "document": "d: ", "passage": "p: "}}, ("q: ", "d: ")),
        ({"prompts": {"query": "q: ", "document": "", "passage": "p: "}}, ("q: ", "")),
        ({"prompts": {"query": None, "corpus": "c: "}}, ("", "c: ")),
        ({"prompts": {"any": "a: "}, "default_prompt_name": "any"}, ("a: ", "a: ")),
        ({"prompts": {"any": "a: ", "query": "q: "}, "default_prompt_name": "any"}, ("q: ", "a: ")),
        ({"prompts": {"clustering": "c: "}}, ("", "")),
    ],
)
def test_the_prompts_of_a_model_are_those_for_retrieval(saved: dict[str, Any], expected: Sequence[str]) -> None:
    assert supported.own_prompts(saved) == tuple(expected)


def test_own_prompts_are_preferred_to_the_recipes(bert: Path, tmp_path: Path) -> None:
    recipe = recipes.find("e5-small-v2")
    model = load(bert)
    assert supported.prompts(model) == {}
    supported.set_prompts(model, str(tmp_path), recipe)
    assert supported.prompts(model) == {"query": "query: ", "passage": "passage: "}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "ask: "}}))
    supported.set_prompts(model, str(tmp_path), recipe)
    assert supported.prompts(model) == {"query": "ask: ", "passage": ""}
    supported.replace_prompts(model, None, "own: ")
    assert supported.prompts(model) == {"query": "ask: ", "passage": "own: "}
    assert supported.model_digest(model, "ab") != supported.model_digest(load(bert), "ab") == "ab", (
        "vectors with and without prompts are kept apart"
    )


def test_a_prompt_that_leaves_no_room_is_refused(bert: Path) -> None:
    model = load(bert)
    supported.replace_prompts(model, "baran cesel " * 5, None)
    supported.require_prompts(model, 90, "tiny")
    tokens = len(model.tokenizer("baran cesel " * 5)["input_ids"])
    supported.require_prompts(model, 2 * tokens, "tiny")
    with pytest.raises(UnsupportedModel, match=rf"prompt for a query has {tokens} tokens, and tiny reads"):
        supported.require_prompts(model, 2 * tokens - 1, "tiny")


def test_a_prompt_outside_the_pooling_is_refused(bert: Path) -> None:
    model = load(bert)
    model.set_pooling_include_prompt(False)
    supported.require_prompts(model, 90, "tiny")
    supported.replace_prompts(model, "query: ", None)
    with pytest.raises(UnsupportedModel, match="include_prompt=False"):
        supported.require_prompts(model, 90, "tiny")


def test_the_length_is_the_models_unless_asked_for_more(bert: Path, roberta: Path) -> None:
    model = load(bert)
    assert supported.max_length(model) == 96
    assert supported.max_length(model, 130) == 130
    with pytest.raises(UnsupportedModel, match="at most 130 tokens"):
        supported.max_length(model, 131)
    model.max_seq_length = 100_000
    assert supported.max_length(model) == 130
    # RoBERTa's first positions are those of the padding.
    with pytest.raises(UnsupportedModel, match="at most 129 tokens"):
        supported.max_length(load(roberta), 130)


def test_more_dimensions_than_there_are_cannot_be_kept(bert: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = load(bert)
    supported.require_dimensions(model, 32, None)
    assert capsys.readouterr().err == ""
    supported.require_dimensions(model, 8, None)
    assert "costs relevance" in capsys.readouterr().err
    with pytest.raises(SourceError, match="have 32 dimensions"):
        supported.require_dimensions(model, 33, None)


def test_other_modules_are_refused_by_name(bert: Path, roberta: Path, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import CNN, Router

    parts = [list(SentenceTransformer(str(bert), device="cpu")) for _ in range(2)]
    router = SentenceTransformer(modules=[Router.for_query_document(*parts)], device="cpu")
    with pytest.raises(UnsupportedModel, match="has the module Router, which sends queries and passages"):
        supported.require_supported(router, "pair")
    transformer, pooling, *_ = parts[0]
    convolved = SentenceTransformer(modules=[transformer, CNN(32, 32, [1]), pooling], device="cpu")
    with pytest.raises(UnsupportedModel, match=r"module CNN, which cannot be served\. Modules that can: Dense"):
        supported.require_supported(convolved, "convolved")
    bare = SentenceTransformer(modules=[transformer], device="cpu")
    with pytest.raises(UnsupportedModel, match="no module Pooling"):
        supported.require_supported(bare, "bare")

    class Dense(torch.nn.Module):
        """Module of somebody's own code, which has a known name."""

    with pytest.raises(UnsupportedModel, match="module Dense"):
        supported.require_supported(SentenceTransformer(modules=[transformer, pooling, Dense()], device="cpu"), "own")


def test_a_model_without_a_fast_tokenizer_is_refused(bert: Path) -> None:
    model = load(bert)
    # transformers 5 has fast tokenizers only; this is how an earlier release marks the others.
    model.tokenizer.__class__ = type("Slow", (type(model.tokenizer),), {"is_fast": False})
    with pytest.raises(UnsupportedModel, match="no fast tokenizer"):
        supported.require_supported(model, "slow")


def test_code_of_a_repository_is_never_run(bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "foreign"
    folder.mkdir()
    for file in bert.rglob("*"):
        if file.is_file():
            (folder / file.relative_to(bert)).parent.mkdir(exist_ok=True)
            (folder / file.relative_to(bert)).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "foreign", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: ...\nclass Model: ...\n")
    with pytest.raises(UnsupportedModel, match="needs code from its repository"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_an_adapter_of_another_kind_or_model_is_refused(bert: Path, roberta: Path, tmp_path: Path) -> None:
    good = tiny_encoders.build_adapter(tmp_path / "good")
    with pytest.raises(SourceError, match=r"is not an adapter"):
        adapter.fetch(str(tmp_path))
    with pytest.raises(SourceError, match="weights for 1 layers of 2"):
        adapter.put_into(load(bert), tiny_encoders.build_adapter(tmp_path / "short", layers=1), "tiny")
    settings = json.loads((good / adapter.CONFIG).read_text())
    for change, words in (
        ({"peft_type": "LORA"}, "Merge it first"),
        ({"config": {"mh_adapter": True}}, "not a bottle"),
    ):
        (good / adapter.CONFIG).write_text(json.dumps(settings | change))
        with pytest.raises(UnsupportedModel, match=words):
            adapter.put_into(load(bert), good, "tiny")


def test_a_model_without_pooling_needs_one_to_be_named(bert: Path) -> None:
    base = bert.parent / "model-base"
    with pytest.raises(SourceError, match="--pooling"):
        source.resolve(str(base))
    model = source.load(source.resolve(str(base), pooling="cls"))
    assert model[1].pooling_mode == "cls"


def test_sizes_that_transformers_did_not_read_are_refused() -> None:
    read = {"model_type": "nomic_bert", "hidden_size": 768, "num_hidden_layers": 12}
    supported.require_read(SimpleNamespace(**read, n_layer=12, n_embd=768, n_inner=None), "mine")
    with pytest.raises(UnsupportedModel, match=r"mine was saved for code .* num_hidden_layers=12 where .* n_layer=6"):
        supported.require_read(SimpleNamespace(**read, n_layer=6), "mine")
    with pytest.raises(UnsupportedModel, match="mine has layers of several experts"):
        supported.require_read(SimpleNamespace(**read, num_experts=8), "mine")
