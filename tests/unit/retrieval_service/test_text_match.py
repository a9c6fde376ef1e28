from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from retrieval_service.search.fusion import FusedRanking
from retrieval_service.search.text_match import READ, plain_text, rank_by_texts, shares_of


def text(title: str, abstract: str = "") -> tuple[str, str]:
    return title, abstract


def ranking(*scores: float) -> FusedRanking:
    rows = np.arange(len(scores))
    return FusedRanking(rows, np.asarray(scores), rows / 10, rows / 100)


def pairs(query: str, *texts: tuple[str, str]) -> list[float]:
    found: list[float] = shares_of(map(" ".join, pairwise(query.split())), [plain_text(*one) for one in texts]).tolist()
    return found


def test_a_pair_that_few_papers_have_counts_more() -> None:
    titles = ("Rings of the giant", "A dwarf planet", "Maps of the dwarf planet", "Moons of the sun")
    of_the, rare, every, again = pairs("of the dwarf planet", *map(text, titles))
    assert 0 < of_the == again < rare < every == 1


def test_a_word_that_few_papers_have_counts_more() -> None:
    shares = shares_of(["dust", "of", "of"], [" rings of ice", " grains of dust.", " of gas"])
    assert 0 < shares[0] == shares[2] < shares[1] / 2
    assert shares[1] == 1


@pytest.mark.parametrize(
    "title", ["Neural network", "NEURAL networks", "the neural-network way", "deep neural network"]
)
def test_letters_hyphens_and_endings_do_not_matter(title: str) -> None:
    assert pairs("neural network", text(title), text("network of neural cells"))[0] == 1.0
    assert pairs("neural network", text("On cells", title), text("network of neural cells"))[0] == 1.0


def test_the_first_word_of_a_paragraph_is_found() -> None:
    assert pairs("neural network", text("On cells", "They learn.\nNeural networks do too."), text("x"))[0] == 1.0
    assert pairs("neural network", text("On cells", "They are neural.\nNetworks too."), text("x")) == [0.0, 0.0]


@pytest.mark.parametrize("title", ["aneural network", "neural, network", "network neural"])
def test_words_that_are_not_adjacent_are_no_pair(title: str) -> None:
    assert pairs("neural network", text(title), text("neural network"))[0] == 0.0


def test_no_pair_reaches_from_the_title_into_the_abstract() -> None:
    assert pairs("neural network", text("On the neural", "Network theory."), text("x")) == [0.0, 0.0]


def test_a_paper_with_the_pairs_of_the_query_passes_one_of_nearly_the_same_score() -> None:
    texts = [text("Network of dust"), text("Dust network"), text("Ice")]
    found = rank_by_texts(ranking(0.9, 0.85, 0.2), "dust network", lambda rows: [texts[row] for row in rows], 0.5)
    assert found.rows.tolist() == [1, 0, 2]
    assert found.scores.tolist() == pytest.approx([(0.85 + 0.5) / 1.5, (0.9 + 0.125) / 1.5, 0.2 / 1.5])
    assert found.dense.tolist() == [0.1, 0.0, 0.2]
    assert found.lexical.tolist() == [0.01, 0.0, 0.02]


def test_only_the_best_papers_are_read_and_no_other_changes_its_place() -> None:
    read: list[int] = []

    def texts(rows: Sequence[int]) -> list[tuple[str, str]]:
        read.extend(rows)
        return [text("dust" if row % 2 else "gas") for row in rows]

    found = rank_by_texts(ranking(*np.linspace(1, 0.9, 50)), "dust", texts, 0.5)
    assert read == list(range(READ))
    assert sorted(found.rows[:READ].tolist()) == read
    assert found.rows[: READ // 2].tolist() == list(range(1, READ, 2))
    assert found.rows[READ:].tolist() == list(range(READ, 50))
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.min() >= 0
    assert found.scores.max() <= 1


@pytest.mark.parametrize(("query", "weight"), [("?!", 0.5), ("", 0.5), ("dust network", 0.0)])
def test_nothing_is_read_where_nothing_can_change(query: str, weight: float) -> None:
    def texts(rows: Sequence[int]) -> list[tuple[str, str]]:
        raise AssertionError(rows)

    before = ranking(0.9, 0.8)
    assert rank_by_texts(before, query, texts, weight) is before
    empty = ranking()
    assert rank_by_texts(empty, "dust network", texts, 0.5) is empty
