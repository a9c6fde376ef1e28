from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from retrieval_service.search.fusion import FusedRanking
from retrieval_service.search.phrases import READ, pair_shares, prefer_phrases


def paper(title: str, abstract: str = "") -> tuple[str, str]:
    return title, abstract


def ranking(*scores: float) -> FusedRanking:
    rows = np.arange(len(scores))
    return FusedRanking(rows, np.asarray(scores), rows / 10, rows / 100)


def shares(query: str, *papers: tuple[str, str]) -> list[float]:
    words = query.split()
    found: list[float] = pair_shares(list(pairwise(words)), papers).tolist()
    return found


def test_a_pair_that_few_papers_have_counts_more() -> None:
    titles = ("Rings of the giant", "A dwarf planet", "Maps of the dwarf planet", "Moons of the sun")
    of_the, rare, every, again = shares("of the dwarf planet", *map(paper, titles))
    assert 0 < of_the == again < rare < every == 1


@pytest.mark.parametrize("text", ["Neural network", "NEURAL networks", "the neural-network way", "deep neural network"])
def test_letters_hyphens_and_endings_do_not_matter(text: str) -> None:
    assert shares("neural network", paper(text), paper("network of neural cells"))[0] == 1.0
    assert shares("neural network", paper("On cells", text), paper("network of neural cells"))[0] == 1.0


@pytest.mark.parametrize("text", ["aneural network", "neural, network", "network neural"])
def test_words_that_are_not_adjacent_are_no_pair(text: str) -> None:
    assert shares("neural network", paper(text), paper("neural network"))[0] == 0.0


def test_no_pair_reaches_from_the_title_into_the_abstract() -> None:
    assert shares("neural network", paper("On the neural", "Network theory."), paper("x")) == [0.0, 0.0]


def test_a_paper_with_the_pairs_of_the_query_passes_one_of_nearly_the_same_score() -> None:
    texts = [paper("Network of dust"), paper("Dust network"), paper("Dust")]
    found = prefer_phrases(ranking(0.9, 0.85, 0.2), "dust network", lambda rows: [texts[row] for row in rows], 0.3)
    assert found.rows.tolist() == [1, 0, 2]
    assert found.scores.tolist() == pytest.approx([1.15 / 1.3, 0.9 / 1.3, 0.2 / 1.3])
    assert found.dense.tolist() == [0.1, 0.0, 0.2]
    assert found.lexical.tolist() == [0.01, 0.0, 0.02]


def test_only_the_best_papers_are_read_and_no_other_changes_its_place() -> None:
    read: list[int] = []

    def papers(rows: Sequence[int]) -> list[tuple[str, str]]:
        read.extend(rows)
        return [paper("dust network" if row % 2 else "gas") for row in rows]

    found = prefer_phrases(ranking(*np.linspace(1, 0.9, 50)), "dust network", papers, 0.3)
    assert read == list(range(READ))
    assert sorted(found.rows[:READ].tolist()) == read
    assert found.rows[: READ // 2].tolist() == list(range(1, READ, 2))
    assert found.rows[READ:].tolist() == list(range(READ, 50))
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize(("query", "weight"), [("dust", 0.3), ("", 0.3), ("dust network", 0.0)])
def test_nothing_is_read_where_nothing_can_change(query: str, weight: float) -> None:
    def papers(rows: Sequence[int]) -> list[tuple[str, str]]:
        raise AssertionError(rows)

    before = ranking(0.9, 0.8)
    assert prefer_phrases(before, query, papers, weight) is before
    empty = ranking()
    assert prefer_phrases(empty, "dust network", papers, 0.3) is empty
