from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.beir import load, ndcg, recall, reciprocal_rank
from benchmarks.report import Row, table


def test_ndcg_is_that_of_a_worked_example() -> None:
    # DCG = 3/log2(2) + 0/log2(3) + 2/log2(4) = 4; the ideal order 3, 2, 1 has 3 + 2/1.58496 + 1/2 = 4.76186.
    assert ndcg(["a", "x", "b"], {"a": 3, "b": 2, "c": 1}) == pytest.approx(4 / 4.76186, abs=1e-5)


def test_a_perfect_ranking_is_one_and_an_empty_one_is_nothing() -> None:
    assert ndcg(["a", "b"], {"a": 2, "b": 1}) == 1
    assert ndcg([], {"a": 2}) == 0


def test_what_is_below_the_depth_does_not_count() -> None:
    ranking = [*(f"x{n}" for n in range(10)), "a"]
    assert ndcg(ranking, {"a": 1}) == 0
    assert reciprocal_rank(ranking, {"a": 1}) == 0
    assert recall(ranking, {"a": 1, "b": 1}, 11) == 0.5
    assert reciprocal_rank(["x", "a"], {"a": 1}) == 0.5


def test_a_collection_keeps_only_queries_that_have_an_answer(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td1\t0\n")
    queries = [{"_id": "q1", "text": "one"}, {"_id": "q2", "text": "two"}]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    collection = load(tmp_path)
    assert collection.queries == {"q1": "one"}
    assert collection.qrels == {"q1": {"d1": 2}}


def test_the_table_has_a_column_for_each_dataset() -> None:
    text = table(
        [Row("dense", "a", "nDCG@10", 0.5), Row("dense", "b", "nDCG@10", 0.25), Row("dense", "b", "p50", 3, "ms")]
    )
    assert "| dense | nDCG@10 | 0.5 | 0.25 |" in text
    assert "| dense | p50 |  | 3 ms |" in text
