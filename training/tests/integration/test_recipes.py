"""Export a tiny model of each named recipe, and compare its served vectors with those of sentence-transformers."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_encoders
from tiny_encoders import SHAPES, Shape

from training.compression.compress import Compression, Serving
from training.encoders import version_encoders
from training.errors import QuantizationError, UnsupportedModel
from training.registry import export, recipes, source

pytestmark = [
    pytest.mark.integration,
    # Warnings of libraries about their own code.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

TEXTS = ["baran", *tiny_encoders.sentences(12, seed=7), "?"]
FP32 = Compression("fp32")


def served(folder: Path, papers: Path, repository: Path, **options: Any) -> tuple[dict[str, Any], Path]:
    """Export a folder, and return the manifest and the version's folder."""
    made = export.export(
        str(folder), calibration_papers=papers, repository=repository, mapping="id=id,title=title,abstract=abstract",
        **{"how": FP32, **options},
    )  # fmt: skip
    return made, Path(made["folder"])


def require_equal(version: Path, query: np.ndarray, passage: np.ndarray) -> None:
    """Check the vectors of both input types on every runtime."""
    for name, encode in version_encoders(version).items():
        for kind, true in (("query", query), ("passage", passage)):
            cosines = (encode(TEXTS, kind) * true).sum(axis=1)
            assert cosines.min() >= 0.99999, f"{name}, {kind}"


def readable(*names: str) -> list[str]:
    """Return the recipes whose architecture this release of transformers has; a unit test has others refused."""
    release = int(importlib.metadata.version("transformers").split(".")[0])
    found = [each for name in names if (each := recipes.find(name)) is not None]
    return [each.name for each in found if (each.transformers or 0) <= release]


def one_of_each_shape() -> list[Any]:
    """Return the recipes; those whose shape another one has too, or whose parts others have, take long only."""
    usual, seen = [], set()
    for name in readable(*SHAPES):
        shape = SHAPES[name]
        again = (shape.architecture, shape.pooling, shape.dense, shape.prompts is None) in seen
        seen.add((shape.architecture, shape.pooling, shape.dense, shape.prompts is None))
        usual.append(pytest.param(name, marks=[pytest.mark.long] if again else []))
    return usual


@pytest.mark.parametrize("name", one_of_each_shape())
def test_a_recipe_is_served_as_sentence_transformers_encodes(name: str, papers: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    shape, recipe = SHAPES[name], recipes.find(name)
    assert recipe is not None
    folder = tiny_encoders.build(shape, tmp_path / name)
    prompts = {"query": recipe.query, "document": recipe.passage}
    reference = SentenceTransformer(str(folder), prompts=prompts, device="cpu")
    made, version = served(folder, papers, tmp_path / "repository")
    query, passage = (
        encode(TEXTS, normalize_embeddings=True) for encode in (reference.encode_query, reference.encode_document)
    )
    require_equal(version, query, passage)
    assert made["dim"] == query.shape[1]
    has_prompts = bool(recipe.query or recipe.passage)
    assert made.get("prompts") == ({"query": recipe.query, "passage": recipe.passage} if has_prompts else None)
    if has_prompts:
        assert (query * passage).sum(axis=1).min() < 0.99999, "vectors with the other prompt would be found"


SHAPES_TO_CUT = [Shape(dense=48), Shape("static", normalize=False), *map(SHAPES.get, readable("nomic-embed-text-v1.5"))]


@pytest.mark.parametrize("shape", SHAPES_TO_CUT)
def test_vectors_are_cut_and_normalised_again_in_the_graph(shape: Shape, papers: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tiny_encoders.build(shape, tmp_path / "model")
    made, version = served(folder, papers, tmp_path / "repository", serving=Serving(dimensions=8))
    reference = SentenceTransformer(str(folder), truncate_dim=8, device="cpu")
    true = reference.encode_query(TEXTS, normalize_embeddings=True)
    assert made["dim"] == true.shape[1] == 8
    assert made["recipe"]["dimensions"] == 8
    require_equal(version, true, true)


@pytest.mark.parametrize("pooling", ["max", "lasttoken", "weightedmean"])
def test_other_poolings_are_served(pooling: str, papers: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    shape = Shape(pooling=pooling, prompts={"query": "query: ", "passage": "passage: "})
    folder = tiny_encoders.build(shape, tmp_path / "model")
    # Files of earlier releases name the prompt of passages so, and have none for documents.
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": shape.prompts}))
    made, version = served(folder, papers, tmp_path / "repository")
    assert made["prompts"] == shape.prompts
    reference = SentenceTransformer(str(folder), device="cpu")
    query, passage = (
        reference.encode(TEXTS, prompt_name=name, normalize_embeddings=True) for name in ("query", "passage")
    )
    require_equal(version, query, passage)


def test_an_adapter_is_put_into_the_layers(papers: Path, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    folder = tiny_encoders.build(SHAPES["specter2"], tmp_path / "specter2")
    adapter = tiny_encoders.build_adapter(tmp_path / "adapter")
    made, version = served(folder, papers, tmp_path / "repository", serving=Serving(adapter=str(adapter)))
    assert made["base"]["source"] == "folder specter2 with adapter adapter"
    reference = SentenceTransformer(str(folder), device="cpu")
    weights = torch.load(adapter / "pytorch_adapter.bin", weights_only=True)
    for number, layer in enumerate(reference[0].auto_model.encoder.layer):
        prefix = f"bert.encoder.layer.{number}.output.adapters.tiny."
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}

        def adapted(module: Any, inputs: Any, output: Any, own: dict[str, torch.Tensor] = own) -> torch.Tensor:
            inner, residual = inputs
            block = module.dense(inner)
            down = torch.relu(output @ own["adapter_down.0.weight"].T + own["adapter_down.0.bias"])
            up = down @ own["adapter_up.weight"].T + own["adapter_up.bias"]
            return module.LayerNorm(up + block + residual)

        layer.output.register_forward_hook(adapted)
    true = reference.encode(TEXTS, normalize_embeddings=True)
    require_equal(version, true, true)
    without = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert (true * without).sum(axis=1).min() < 0.9


def test_a_model_that_fails_in_int8_goes_out_in_the_next_precision(papers: Path, tmp_path: Path) -> None:
    folder = tiny_encoders.build(Shape("static"), tmp_path / "model")
    made, _ = served(folder, papers, tmp_path / "repository", how=Compression("auto"))
    assert made["recipe"]["precision"] == "FP32"
    assert set(made["recipe"]["instead_of"]) == {"INT8", "FP16"}
    assert made["parity"]["min_cosine"] >= 0.99999
    with pytest.raises(QuantizationError):
        served(folder, papers, tmp_path / "repository", how=Compression("int8"))


def test_the_proof_of_a_quantised_version_has_figures_of_queries_and_of_passages(papers: Path, tmp_path: Path) -> None:
    folder = tiny_encoders.build(SHAPES["e5-small-v2"], tmp_path / "e5-small-v2")
    made, version = served(folder, papers, tmp_path / "repository", how=Compression("int8"))
    figures = made["parity"]["input_types"]
    assert set(figures) == {"query", "passage"}
    assert made["parity"]["mean_cosine"] == min(each["mean_cosine"] for each in figures.values()) >= 0.995
    encode = version_encoders(version)["onnxruntime"]
    assert encode.prompts == {"query": "query: ", "passage": "passage: "}


@pytest.mark.parametrize("name", readable("gte-modernbert-base", "nomic-embed-text-v1.5"))
def test_an_encoder_with_rotary_positions_goes_out_in_the_first_precision_that_passes(
    name: str, papers: Path, tmp_path: Path
) -> None:
    folder = tiny_encoders.build(SHAPES[name], tmp_path / name)
    made, version = served(folder, papers, tmp_path / "repository", how=Compression("auto"))
    least = {"INT8": 0.995, "FP16": 0.999, "FP32": 0.99999}
    assert made["parity"]["mean_cosine"] >= least[made["recipe"]["precision"]]
    assert version_encoders(version)["onnxruntime"](TEXTS).shape == (len(TEXTS), made["dim"])


@pytest.mark.parametrize("name", readable("gte-modernbert-base", "nomic-embed-text-v1.5"))
def test_long_texts_are_read_if_asked_for(name: str, papers: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tiny_encoders.build(SHAPES[name], tmp_path / "model")
    made, version = served(folder, papers, tmp_path / "repository", serving=Serving(max_length=120))
    assert made["max_length"] == 120
    reference = SentenceTransformer(str(folder), device="cpu")
    reference.max_seq_length = 120
    true = reference.encode(TEXTS, normalize_embeddings=True)
    require_equal(version, true, true)
    with pytest.raises(UnsupportedModel, match="at most 130 tokens"):
        served(folder, papers, tmp_path / "repository", serving=Serving(max_length=131))


@pytest.mark.long
@pytest.mark.parametrize("name", readable("nomic-embed-text-v1.5"))
def test_weights_and_settings_that_were_saved_by_code_of_the_hub_are_read(name: str, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    # transformers takes its default sizes, which are those of the published model.
    model, base = tiny_encoders.save_nomic_of_the_hub(tmp_path / "base")
    SentenceTransformer(modules=[Transformer(str(base)), Pooling(768)], device="cpu").save(str(tmp_path / name))
    (tmp_path / name / "config.json").write_text((base / "config.json").read_text())
    loaded = source.load(source.resolve(str(tmp_path / name)))
    given = loaded.tokenizer(TEXTS, padding=True, truncation=True, max_length=96, return_tensors="pt")
    with torch.no_grad():
        mask = given["attention_mask"].unsqueeze(-1).float()
        pooled = (model(**given).last_hidden_state * mask).sum(dim=1)
    true = torch.nn.functional.normalize(pooled, dim=1).numpy()
    assert (loaded.encode(TEXTS) * true).sum(axis=1).min() > 0.99999
    settings = json.loads((base / "config.json").read_text())
    (tmp_path / name / "config.json").write_text(json.dumps({**settings, "n_layer": 6}))
    with pytest.raises(UnsupportedModel, match="num_hidden_layers=12 where its configuration has n_layer=6"):
        source.load(source.resolve(str(tmp_path / name)))
