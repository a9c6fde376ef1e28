"""Learned weights of words in place of BM25: the file, the sums, filters, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from akin.indexing.learned_weights import LearnedWeights
from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper
from retrieval_service.adapters.learned_words import LEVELS
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.errors import SnapshotError, SnapshotInvalid
from retrieval_service.filter import Clause, Field, Filter

PAPERS = [
    Paper("a", "Rings of ice", "dust dust dust dust"),
    Paper("b", "Dust between stars", "gas and dust"),
    Paper("c", "Moons", "ice and more ice", withdrawn=True),
    Paper("d", "Waves", "strings"),
]
WEIGHTS: dict[str, Mapping[str, float]] = {
    "a": {"ring": 2.0, "saturn": 1.5, "dust": 0.1},
    "b": {"dust": 1.0, "nebula": 2.52},
    "c": {"ice": 1.7, "Moons": 2.0, "moon": 0.4, "saturn": 0.9},
    "d": {},
}
STEP = 2.52 / LEVELS


def write(path: Path, weights: Mapping[str, Mapping[str, float]]) -> Path:
    path.write_text("".join(json.dumps({"id": name, "weights": each}) + "\n" for name, each in weights.items()))
    return path


@pytest.fixture(scope="module")
def lexical(tmp_path_factory: pytest.TempPathFactory) -> TantivyIndex:
    folder = tmp_path_factory.mktemp("learned")
    with LexicalWriter(folder / "lexical", weights=LearnedWeights(write(folder / "w.jsonl", WEIGHTS))) as writer:
        writer.add(0, PAPERS)
        writer.close()
    return TantivyIndex(folder / "lexical")


def scores(index: TantivyIndex, text: str, admitted: Filter | None = None) -> dict[str, float]:
    hits = index.search(text, 10, admitted=admitted)
    assert (np.diff(hits.scores) <= 0).all(), "the best first"
    return {PAPERS[row].id: float(score) for row, score in zip(hits.rows, hits.scores, strict=True)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dust", {"b": 1.0, "a": 0.1}),  # BM25 would have the paper with four of them first
        ("saturn", {"a": 1.5, "c": 0.9}),  # no paper has the word
        ("Saturn's rings", {"a": 3.5, "c": 0.9}),
        ("saturn saturn", {"a": 1.5, "c": 0.9}),  # a word counts once, as in the models
        ("nebula of dust", {"b": 3.52, "a": 0.1}),
        ("moons", {"c": 2.0}),  # of two words with one stem the greater weight counts
        ("strings", {}),  # a paper without weights is found by its vector only
    ],
)
def test_a_score_is_the_sum_of_the_learned_weights(
    lexical: TantivyIndex, text: str, expected: dict[str, float]
) -> None:
    found = scores(lexical, text)
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, abs=STEP * len(text.split()))


def test_all_steps_of_a_weight_are_added_up_exactly(tmp_path: Path) -> None:
    weights = {str(level): {"dust": float(level)} for level in range(1, LEVELS + 1)}
    papers = [Paper(name, "x", "y") for name in weights]
    with LexicalWriter(tmp_path / "lexical", weights=LearnedWeights(write(tmp_path / "w", weights))) as writer:
        writer.add(0, papers)
        writer.close()
    hits = TantivyIndex(tmp_path / "lexical").search("dust", LEVELS)
    assert [papers[row].id for row in hits.rows] == [str(level) for level in range(LEVELS, 0, -1)]
    assert hits.scores == pytest.approx(np.arange(LEVELS, 0, -1))


def test_the_bound_of_a_score_is_the_greatest_weight_of_each_word(lexical: TantivyIndex) -> None:
    hits = lexical.search("nebula dust unknown", 10)
    assert hits.bounds == pytest.approx((0.0, 2 * 2.52))


def test_filters_hold_and_their_words_do_not_count(lexical: TantivyIndex) -> None:
    words = Filter((Clause(Field.ABSTRACT, ("dust",)),))
    assert scores(lexical, "saturn", words) == pytest.approx({"a": 1.5}, abs=STEP)
    assert scores(lexical, "", words).keys() == {"a", "b"}, "without a text, BM25 of the filter's words ranks"
    assert lexical.informative_terms("saturn dust").keys() == {"dust"}, "highlights are words of the texts"


def test_an_index_without_weights_ranks_by_bm25(tmp_path: Path) -> None:
    with LexicalWriter(tmp_path / "lexical") as writer:
        writer.add(0, PAPERS)
        writer.close()
    assert not (tmp_path / "lexical/learned.json").exists()
    assert list(scores(TantivyIndex(tmp_path / "lexical"), "dust")) == ["a", "b"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('{"id": "a", "weights": {"dust": 1}}\n{"id": 7}', r"line 2: .*A line is \{\"id\": \"…\""),
        ('{"id": "a", "weights": {"dust": -1}}', "line 1: the weight of 'dust' must be 0 or more"),
        ('{"id": "a", "weights": {"dust": 1e999}}', "line 1: "),
        ('{"id": "a", "weights": {"dust": 1}}\n\n{"id": "a", "weights": {}}', "line 3: the paper a has an earlier"),
        ('{"id": "a", "weights": {}}', "no weight above 0"),
        ("", "no weight above 0"),
        ("\x1f\x8b", "line 1: "),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, lines: str, reason: str) -> None:
    (tmp_path / "w.jsonl").write_text(lines)
    with pytest.raises(SnapshotError, match=reason):
        LearnedWeights(tmp_path / "w.jsonl")
    with pytest.raises(SnapshotError, match="cannot be read"):
        LearnedWeights(tmp_path / "missing.jsonl")


def test_a_paper_without_a_line_is_refused(tmp_path: Path) -> None:
    weights = LearnedWeights(write(tmp_path / "w.jsonl", {"a": {"dust": 1.0}}))
    with (
        LexicalWriter(tmp_path / "lexical", weights=weights) as writer,
        pytest.raises(SnapshotError, match="no weights for the paper b"),
    ):
        writer.add(0, PAPERS)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    with LexicalWriter(tmp_path / "lexical", weights=LearnedWeights(write(tmp_path / "w", WEIGHTS))) as writer:
        writer.close()
    (tmp_path / "lexical/learned.json").write_text("{}")
    with pytest.raises(SnapshotInvalid, match=r"learned\.json"):
        TantivyIndex(tmp_path / "lexical")
