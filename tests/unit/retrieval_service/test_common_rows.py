from __future__ import annotations

import pytest

from akin.indexing import common_conditions
from akin.indexing.common_conditions import FieldTerms, likely_conditions, min_papers
from akin.papers.reservoir import Reservoir
from retrieval_service.adapters.common_rows import Condition


def field(name: str, *terms: str) -> FieldTerms:
    return name, terms


def condition(name: str, *terms: str) -> Condition:
    return name, tuple(enumerate(terms))


def test_a_sample_is_deterministic_and_covers_the_whole_stream() -> None:
    samples = []
    for _ in range(2):
        sample: Reservoir[int] = Reservoir(100)
        for number in range(10_000):
            sample.offer(number)
        samples.append(sample.items)
    assert samples[0] == samples[1]
    assert len(set(samples[0])) == 100
    assert 3_500 < sum(samples[0]) / 100 < 6_500


def test_the_sample_of_a_short_stream_is_the_stream() -> None:
    sample: Reservoir[str] = Reservoir(3)
    sample.offer("a")
    sample.offer("b")
    assert sample.items == ["a", "b"]


def test_the_least_number_of_papers_for_a_bitmap() -> None:
    assert min_papers(10_000) == common_conditions.FEWEST
    assert min_papers(3_200_000) == 100_000
    assert min_papers(3_200_000, 2) == 12_500


def test_terms_and_phrases_of_enough_papers_are_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_conditions, "FEWEST", 10)
    often = [field("title", "deep", "learning"), field("abstract", "state", "of", "the", "art")]
    seldom = [field("title", "deep", "graph"), field("abstract", "learning")]
    found = likely_conditions([often] * 3 + [seldom] * 17, 40)
    assert found[0] == condition("title", "deep")
    assert set(found) == {
        condition("title", "deep"),
        condition("title", "graph"),
        condition("title", "deep", "graph"),
        condition("abstract", "learning"),
    }
    assert {
        condition("title", "deep", "learning"),
        condition("abstract", "state", "of", "the", "art"),
        condition("abstract", "the", "art"),
    } <= set(likely_conditions([often] * 10 + [seldom] * 10, 40))


def test_a_term_that_comes_twice_in_a_paper_counts_once() -> None:
    assert likely_conditions([[field("title", "a", "a", "a")], [field("title", "b")]], 2) == []
