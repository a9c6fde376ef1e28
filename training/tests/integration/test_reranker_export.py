"""Rerankers of three architectures are exported, and a version scores as CrossEncoder.predict does."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.errors import SourceError, UnsupportedModel
from training.reranker import export as exporting
from training.reranker import graph as graphs
from training.reranker.export import NAMED, export, resolve

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture(scope="session")
def reranker(tmp_path_factory: pytest.TempPathFactory, tiny_model: Callable[[str], Path]) -> Callable[..., Path]:
    """Return a function that makes a tiny CrossEncoder of an architecture, with random weights."""
    import torch
    import transformers

    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
    }

    def make(kind: str, outputs: int = 1) -> Path:
        tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model("bert"))
        pair = [("[CLS]", tokenizer.cls_token_id), ("[SEP]", tokenizer.sep_token_id)]
        import tokenizers

        tokenizer.backend_tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=pair
        )
        if kind == "modernbert":
            tokenizer.model_input_names = ["input_ids", "attention_mask"]
        torch.manual_seed(0)
        own = {**sizes, "vocab_size": len(tokenizer), "num_labels": outputs}
        architectures = {
            "bert": lambda: transformers.BertForSequenceClassification(transformers.BertConfig(**own)),
            "modernbert": lambda: transformers.ModernBertForSequenceClassification(
                transformers.ModernBertConfig(global_attn_every_n_layers=2, local_attention=16, **own)
            ),
            "deberta-v2": lambda: transformers.DebertaV2ForSequenceClassification(
                transformers.DebertaV2Config(
                    relative_attention=True,
                    position_buckets=16,
                    norm_rel_ebd="layer_norm",
                    share_att_key=True,
                    pos_att_type=["p2c", "c2p"],
                    position_biased_input=False,
                    type_vocab_size=0,
                    **own,
                )
            ),
        }
        folder = tmp_path_factory.mktemp("reranker") / kind
        architectures[kind]().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.mark.parametrize("kind", ["bert", "modernbert", "deberta-v2"])
def test_a_version_scores_as_its_original(
    kind: str, reranker: Callable[..., Path], papers: Path, tmp_path: Path
) -> None:
    source = reranker(kind)
    made = export(str(source), calibration_papers=papers, repository=tmp_path)
    folder = tmp_path / "reranker" / "1"
    assert made["promoted"]
    assert made["recipe"]["precision"] in ("INT8", "FP32")
    assert made["parity"]["correlation"] >= 0.99
    assert set(made["parity"]["runtimes"]) == set(exporting.RUNTIMES_OF[made["recipe"]["precision"]])
    assert set(made["files"]) == {"model.onnx", "tokenizer.json", "model.py", "pairs.py", "packing.py", "runtime.py"}
    assert json.loads((folder / "manifest.json").read_bytes())["max_length"] == 48
    assert (tmp_path / "reranker" / "sources" / made["base"]["weights_sha256"] / "config.json").is_file()


@pytest.mark.parametrize("kind", ["bert", "modernbert", "deberta-v2"])
def test_any_pair_is_cut_and_typed_as_in_the_original(
    kind: str, reranker: Callable[..., Path], papers: Path, tmp_path: Path
) -> None:
    source = reranker(kind)
    export(str(source), calibration_papers=papers, repository=tmp_path, precisions=("FP32",))
    pairs = [("baran " * 100, "cesel " * 100), ("baran", "cesel " * 100), ("baran cesel", "vox"), ("ha" * 40, "ran")]
    pairs += [("baran " * 100, "vox"), ("é \u4e2d🙂", "κ " * 9)]
    true = graphs.reference_scores(graphs.load(resolve(str(source))), pairs)
    scores = graphs.version_scorer(tmp_path / "reranker" / "1", "auto")(pairs)
    assert np.abs(scores - true).max() < 0.002 * np.std(true)


def test_fp32_goes_out_where_int8_fails_its_proof(
    reranker: Callable[..., Path], papers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = graphs.measure_parity
    seen: list[float] = []

    def fail_first(*arguments: object) -> dict[str, object]:
        found = taken(*arguments)  # type: ignore[arg-type]
        seen.append(found["correlation"])
        return {**found, "correlation": 0.5} if len(seen) == 1 else found

    monkeypatch.setattr(graphs, "measure_parity", fail_first)
    made = export(str(reranker("bert")), calibration_papers=papers, repository=tmp_path)
    assert made["recipe"]["precision"] == "FP32"
    assert made["recipe"]["int8_refused"]["correlation"] == 0.5
    assert made["parity"]["correlation"] > 0.99999


def test_what_cannot_be_served_is_refused_with_the_reason(
    reranker: Callable[..., Path], papers: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModel, match="2 scores for a pair"):
        export(str(reranker("bert", outputs=2)), calibration_papers=papers, repository=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="not a CrossEncoder"):
        export(str(tmp_path / "empty"), calibration_papers=papers, repository=tmp_path)
    with pytest.raises(SourceError, match="not a folder"):
        resolve("./nowhere")
    assert not (tmp_path / "reranker" / "1").exists()
    assert exporting.resolve("ettin-reranker-17m").location == NAMED["ettin-reranker-17m"]
