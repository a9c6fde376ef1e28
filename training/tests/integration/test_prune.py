"""Prune models, and compare the loss."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from akin.papers import passage_text, read_papers
from training.compression import compare
from training.compression.calibration import read_sample
from training.compression.compress import Compression
from training.compression.prune import Pruning, keep_layers, prune, renumber
from training.errors import EvaluationError, UnsupportedModel
from training.evaluation import read_report, write_known_items
from training.registry import export, source

pytestmark = [
    pytest.mark.integration,
    # Warnings of libraries about their own code.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
FIELDS = "id=id,title=title,abstract=abstract"


@pytest.fixture
def texts(papers: Path) -> Iterator[str]:
    return map(passage_text, read_sample(papers, mapping=FIELDS)[0])


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_a_model_with_fewer_layers_still_encodes(kind: str, tiny_model: Callable[[str], Path]) -> None:
    model = source.load(source.resolve(str(tiny_model(kind))))
    before = model.encode(["baran cesel"])
    assert prune(model, Pruning(layers=1), []) == {"layers": 1}
    after = model.encode(["baran cesel"])
    assert after.shape == before.shape
    assert not np.allclose(after, before)
    with pytest.raises(UnsupportedModel, match="has 1 layers; 2 of them cannot be kept"):
        keep_layers(model, 2)


def test_kept_tokens_keep_their_vectors(tiny_model: Callable[[str], Path], texts: Iterator[str]) -> None:
    model = source.load(source.resolve(str(tiny_model("bert"))))
    known = next(texts)
    before, vocabulary = model.encode([known]), len(model.tokenizer)
    left = prune(model, Pruning(token_count=1), [known])
    assert left == {"tokens": len(model.tokenizer)}
    assert left["tokens"] < vocabulary
    # A text with kept tokens only has the same vector; a text with removed tokens can still be encoded.
    np.testing.assert_allclose(model.encode([known]), before, atol=1e-5)
    assert max(model.tokenizer("zyrzyr qqq")["input_ids"]) < left["tokens"]
    assert model.encode(["zyrzyr qqq"]).shape == before.shape


@pytest.mark.parametrize(
    "post_processor",
    [
        {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]},
        {"type": "TemplateProcessing", "special_tokens": {"[CLS]": {"ids": [101]}, "[SEP]": {"ids": [102]}}},
    ],
)
def test_the_tokens_around_a_text_are_renumbered(post_processor: dict[str, Any]) -> None:
    renumber(post_processor, {"[CLS]": 1, "[SEP]": 2})
    assert re.findall(r"\d+", json.dumps(post_processor)) in (["2", "1"], ["1", "2"])


def test_byte_pairs_are_refused(tiny_model: Callable[[str], Path], texts: Iterator[str]) -> None:
    model = source.load(source.resolve(str(tiny_model("modernbert"))))
    with pytest.raises(UnsupportedModel, match="only a WordPiece vocabulary can be trimmed; this is a BPE"):
        prune(model, Pruning(token_count=1), texts)


def test_the_manifest_records_pruning_and_variants_are_compared(
    tiny_model: Callable[[str], Path], papers: Path, tmp_path: Path
) -> None:
    model = tiny_model("bert")
    made = export.export(
        str(model), calibration_papers=papers, repository=tmp_path / "repository", mapping=FIELDS,
        how=Compression(pruning=Pruning(layers=1, token_count=5)),
    )  # fmt: skip
    assert made["recipe"]["pruned_to"]["layers"] == 1
    assert made["parity"]["mean_cosine"] >= 0.995
    graph = onnx.load(Path(made["folder"]) / "model.onnx").graph
    embeddings = next(each for each in graph.initializer if "word_embeddings" in each.name)
    assert embeddings.dims[0] == made["recipe"]["pruned_to"]["tokens"]

    with read_papers(papers, FIELDS) as found:
        write_known_items(found, tmp_path / "known", kind="title", most=40)
    variants = (compare.BASELINE, compare.Variant("INT8, 1 layer", Compression(pruning=Pruning(layers=1))))
    options = {"calibration_papers": papers, "output": tmp_path / "out", "mapping": FIELDS, "resamples": 100}
    compare.compare(variants, str(model), sets=[tmp_path / "known"], **options)  # type: ignore[arg-type]
    report = read_report(tmp_path / "out" / "report.json")
    assert [name for name in report.systems if name.endswith("hybrid")] == ["FP32 hybrid", "INT8, 1 layer hybrid"]
    lines = (tmp_path / "out" / "comparison.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["FP32", "INT8, 1 layer"]
    cosines = [float(line.split("|")[4]) for line in lines[2:]]
    assert cosines[0] == 1
    assert 0.99 < cosines[1] <= 1
    assert (tmp_path / "out" / "tradeoff.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(EvaluationError, match="nothing to evaluate on"):
        compare.compare(variants, str(model), sets=[], **options)  # type: ignore[arg-type]
