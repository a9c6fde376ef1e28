"""The hybrid loss learns where BM25 fails, and the order of a teacher."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer

from training.data.token_bm25 import TokenBm25
from training.fit.hybrid import HybridRanking

PASSAGES = ["graph kernel", "quark lattice", "tensor neuron"]


@pytest.fixture(scope="module")
def folder(tiny_bert: Callable[..., Path]) -> Path:
    return tiny_bert(8)


@pytest.fixture
def model(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu").eval()


def make_loss(model: SentenceTransformer, **changes: Any) -> HybridRanking:
    bm25 = TokenBm25.count(model.tokenizer, PASSAGES, 16)
    return HybridRanking(model, bm25, **{"scale": 20.0, "lexical_weight": 1.0, **changes})


def gradient(loss: HybridRanking, queries: list[str]) -> float:
    loss.model.zero_grad()
    loss([loss.model.preprocess(queries), loss.model.preprocess(PASSAGES)]).backward()
    return sum(float(each.grad.norm()) for each in loss.model.parameters() if each.grad is not None)


def test_the_gradient_comes_from_queries_on_which_bm25_fails(model: SentenceTransformer) -> None:
    found_by_words, without_words, misled = ["graph", "quark", "tensor"], ["orbit"] * 3, ["quark", "tensor", "graph"]
    loss = make_loss(model, lexical_weight=2.0)
    assert gradient(loss, found_by_words) < 1e-3 * gradient(loss, without_words)
    assert gradient(loss, without_words) < gradient(loss, misled)
    # Without BM25 the same queries are still to learn.
    assert gradient(make_loss(model, lexical_weight=0.0), found_by_words) > 1e-3 * gradient(loss, without_words)


def test_the_scale_of_bm25_is_that_of_the_best_passage(model: SentenceTransformer) -> None:
    """Give the whole lexical weight to a passage with the only word of the query, and nothing to others."""
    loss = make_loss(model, scale=1.0, lexical_weight=0.7)
    features = [model.preprocess(["graph"]), model.preprocess(PASSAGES)]
    cosines = torch.cosine_similarity(
        model.encode("graph", convert_to_tensor=True), model.encode(PASSAGES, convert_to_tensor=True)
    )
    expected = torch.nn.functional.cross_entropy(cosines + torch.tensor([0.7, 0, 0]), torch.tensor(0))
    assert loss(features).item() == pytest.approx(expected.item(), abs=1e-5)


def test_with_imitation_the_model_moves_to_the_order_of_the_teachers_hybrid_ranking(
    model: SentenceTransformer, tiny_bert: Callable[..., Path]
) -> None:
    teacher = SentenceTransformer(str(tiny_bert(8, seed=3)), device="cpu")
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    loss = make_loss(model, teacher=teacher, imitation=1.0, lexical_weight=0.5)
    # By words alone the second passage is the best of each query, and the teacher agrees or not: both are in its sum.
    queries = ["lattice spin", "quark orbit", "lattice boson"]

    def read(encoder: SentenceTransformer) -> torch.Tensor:
        return torch.cosine_similarity(
            encoder.encode(queries, convert_to_tensor=True)[:, None],
            encoder.encode(PASSAGES, convert_to_tensor=True)[None],
            dim=2,
        )

    wanted = read(teacher) + torch.tensor([0, 0.5, 0])
    optimizer = torch.optim.Adam([each for each in loss.parameters() if each.requires_grad], lr=1e-2)
    first = None
    for _ in range(25):
        value = loss([model.preprocess(queries), model.preprocess(PASSAGES)])
        first = first or value.item()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert value.item() < 0.2 * first
    assert read(model).argmax(dim=1).equal(wanted.argmax(dim=1))
    # The teacher does not learn.
    assert all(each.grad is None for each in teacher.parameters())
    assert all(value.equal(before[name]) for name, value in teacher.state_dict().items())


def test_the_teacher_is_neither_trained_nor_saved(model: SentenceTransformer, folder: Path) -> None:
    teacher = SentenceTransformer(str(folder), device="cpu")
    loss = make_loss(model, teacher=teacher, imitation=0.5)
    own = {id(each) for each in loss.parameters()}
    assert own == {id(each) for each in model.parameters()}
    assert {name.split(".")[0] for name in loss.state_dict()} == {"model"}
    loss.train()
    assert not teacher.training
