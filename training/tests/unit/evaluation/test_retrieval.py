"""Metrics of rankings against scikit-learn's, which are written independently, and the errors of collections."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from akin.papers import Paper
from akin.relevance import Collection
from training.errors import EvaluationError
from training.evaluation import write_known_items
from training.evaluation.ranking import PassageRanking
from training.evaluation.retrieval import load_collections, measure_ranking


def collection(passages: int, qrels: list[dict[int, int]]) -> Collection:
    made = Collection(
        Path("made"),
        {str(row): "a query" for row in range(len(qrels))},
        {str(row): {str(place): gain for place, gain in gains.items()} for row, gains in enumerate(qrels)},
    )
    made.__dict__["passages"] = {str(place): "a passage" for place in range(passages)}
    return made


def test_ndcg_and_map_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    gains = rng.choice([0, 0, 0, 1, 2, 4], size=(50, 40))
    gains[:, 0] = np.maximum(gains[:, 0], 1)
    scores = rng.permuted(np.tile(np.arange(40.0), (50, 1)), axis=1)
    order = np.argsort(-scores, axis=1)
    ranking = PassageRanking(order, np.take_along_axis(scores, order, axis=1).astype(np.float32))
    judged = [{place: int(gain) for place, gain in enumerate(row) if gain} for row in gains]
    found = measure_ranking(ranking, collection(40, judged))
    assert found["nDCG@10"].mean() == pytest.approx(ndcg_score(gains, scores, k=10))
    precisions = [average_precision_score(row > 0, score) for row, score in zip(gains, scores, strict=True)]
    assert found["MAP"] == pytest.approx(precisions)


def test_ranks_where_nothing_was_found_are_not_relevant() -> None:
    ranking = PassageRanking(np.array([[4, -1, -1], [-1, -1, -1]]), np.zeros((2, 3), np.float32))
    found = measure_ranking(ranking, collection(5, [{4: 1, 0: 1}, {0: 1}]))
    assert found["recall@10"].tolist() == [1 / 2, 0]
    assert found["precision@1"].tolist() == [1, 0]
    assert found["MAP"][1] == 0


def test_errors_of_collections_are_evaluation_errors(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"queries\.jsonl cannot be read"):
        load_collections([tmp_path])
    with pytest.raises(EvaluationError, match="only 1 papers fit"):
        write_known_items([Paper(id="p", title="T", abstract="A")], tmp_path / "known", kind="title", most=2)


def test_a_relevant_passage_that_is_missing_is_found_before_anything_is_encoded(tmp_path: Path) -> None:
    papers = [Paper(id=str(n), title=f"T{n}", abstract=f"A{n}") for n in range(10)]
    write_known_items(papers, tmp_path / "known", kind="title", most=10)
    corpus = tmp_path / "known" / "corpus.jsonl"
    corpus.write_text("".join(corpus.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(EvaluationError, match="judges passage 0 for query 0"):
        load_collections([tmp_path / "known"])
