"""Weights of words by a tiny sparse encoder: equal to its scores, ranked in an index, refused with a reason."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_encoders

from akin.indexing.learned_weights import LearnedWeights
from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper, passage_text, read_papers
from retrieval_service.adapters.learned_words import LEVELS
from retrieval_service.adapters.tantivy_index import TantivyIndex
from training import sparse
from training.errors import SourceError, UnsupportedModel
from training.sparse import SparseWords

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that saves a SparseEncoder with random weights, inference-free or with a model for queries."""
    import torch
    import transformers
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sparse_encoder.modules import MLMTransformer, SparseStaticEmbedding, SpladePooling

    own = tiny_encoders._tokenizer("bert")
    base = tmp_path_factory.mktemp("sparse") / "base"
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(own), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=96, pad_token_id=own.pad_token_id, initializer_range=0.5,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(base)
    own.save_pretrained(base)

    def make(name: str, *, inference_free: bool = True) -> Path:
        modules = [MLMTransformer(str(base)), SpladePooling("max")]
        if inference_free:
            table = SparseStaticEmbedding(own, weight=torch.rand(len(own)) + 0.1)
            modules = [Router.for_query_document(query_modules=[table], document_modules=modules)]
        SparseEncoder(modules=modules, device="cpu").save(str(base.parent / name))
        return base.parent / name

    return make


def test_the_weight_of_a_word_is_the_model_s_own_score_of_it(encoder: Callable[..., Path]) -> None:
    words = SparseWords(str(encoder("free")), "cpu")
    texts = [f"{text}?" for text in tiny_encoders.sentences(6, seed=3)]
    asked = sorted({word for text in texts for word in text.rstrip("?").split()})
    queries, passages = words._model.encode_query(asked), words._model.encode_document(texts)
    own = words._model.similarity(queries, passages).tolist()
    checked = 0
    for column, (text, weights) in enumerate(zip(texts, words.weigh(texts), strict=True)):
        for row, word in enumerate(asked):
            if word in text.rstrip("?").split()[:20]:
                assert weights.get(word, 0.0) == pytest.approx(own[row][column], abs=1e-4), word
                checked += own[row][column] > 0
        assert set(weights) - set(text.rstrip("?").split()), "words that the text has not"
        assert not any(piece.startswith("##") or piece == "[SEP]" for piece in weights)
    assert checked > 20


def test_the_lexical_index_ranks_by_the_file(encoder: Callable[..., Path], papers: Path, tmp_path: Path) -> None:
    fields = "id=id,title=title,abstract=abstract"
    command = ["--model", str(encoder("free")), "--papers", str(papers), "--map", fields]
    assert sparse.main([*command, "--output", str(tmp_path / "weights.jsonl")]) == 0
    with read_papers(papers, fields) as reader:
        read = list(reader)
    written = [json.loads(line) for line in (tmp_path / "weights.jsonl").read_text().splitlines()]
    assert [line["id"] for line in written] == [paper.id for paper in read]
    weights = LearnedWeights(tmp_path / "weights.jsonl")
    with LexicalWriter(tmp_path / "lexical", weights=weights) as writer:
        writer.add(0, read)
        writer.close()
    asked = passage_text(read[7]).split()[0].strip(".").lower()
    hits = TantivyIndex(tmp_path / "lexical").search(asked, 10)
    true = sorted((line["weights"].get(asked, 0.0) for line in written), reverse=True)[:10]
    assert hits.scores == pytest.approx(true[: len(hits.scores)], abs=weights.record.greatest / LEVELS)
    assert len(hits.scores) > 3


def test_a_paper_of_several_records_has_one_line(encoder: Callable[..., Path], tmp_path: Path) -> None:
    twice = [Paper("1", "baran", "sel"), Paper("1", "other", "text"), Paper("2", "baran", "sel")]
    assert SparseWords(str(encoder("free")), "cpu").write(twice, tmp_path / "w.jsonl") == 2
    assert [json.loads(line)["id"] for line in (tmp_path / "w.jsonl").read_text().splitlines()] == ["1", "2"]


def test_a_model_that_encodes_queries_is_refused(encoder: Callable[..., Path], tmp_path: Path) -> None:
    splade = encoder("splade", inference_free=False)
    with pytest.raises(UnsupportedModel, match=r"needs an encoder for queries \(MLMTransformer, SpladePooling\)"):
        SparseWords(str(splade), "cpu")
    with pytest.raises(SourceError, match="is not a SparseEncoder"):
        SparseWords(str(tmp_path), "cpu")
