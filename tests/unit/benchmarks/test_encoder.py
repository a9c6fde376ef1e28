"""Test the encoder benchmark: its supply of texts, its turns, its targets and its plot."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from akin.papers import Paper
from benchmarks.encoder.parts import Effort, interleave
from benchmarks.encoder.plot import plot_run
from benchmarks.encoder.systems import CellResult
from benchmarks.encoder.targets import compare_with_targets, results_table
from benchmarks.encoder.texts import Supply
from benchmarks.report import Row

PAPERS = [
    Paper(f"p{n}", f"On the {n}th question of the field", " ".join(f"word{n}-{m}" for m in range(40)))
    for n in range(20)
]


@pytest.mark.parametrize("kind", ["abstracts", "titles", "queries", "mixed"])
def test_no_text_comes_twice(kind: str) -> None:
    supply = Supply(PAPERS)
    texts = [text for _ in range(5) for text in supply.take(kind, 60)]
    assert len(set(texts)) == 300
    assert all(text.strip() for text in texts)


def test_real_texts_come_first_and_composed_ones_are_counted() -> None:
    supply = Supply(PAPERS)
    assert set(supply.take("abstracts", 20)) == {paper.abstract for paper in PAPERS}
    assert supply.composed["abstracts"] == 0
    supply.take("abstracts", 5)
    assert supply.composed["abstracts"] == 5


def test_the_same_seed_gives_the_same_texts() -> None:
    assert Supply(PAPERS, 3).take("mixed", 50) == Supply(PAPERS, 3).take("mixed", 50)


def test_random_lengths_reach_from_one_word_to_hundreds() -> None:
    lengths = [len(text.split()) for text in Supply(PAPERS).of_random_length(400)]
    assert min(lengths) < 20
    assert max(lengths) > 350
    assert 150 < sum(lengths) / 400 < 230


def rows(ours: float, theirs: float, alone: float) -> list[Row]:
    return [
        Row("ours, Triton gRPC", "abstracts", "texts/s, bulk", ours, "/s"),
        Row("sentence-transformers torch FP32", "abstracts", "texts/s, bulk", theirs, "/s"),
        Row("ours, Triton gRPC", "queries, alone", "p50", alone, "ms"),
        Row("sentence-transformers torch FP32", "queries, alone", "p50", 8.0, "ms"),
        Row("ours, Triton gRPC", "queries, 32 clients", "texts/s, single texts", 1300, "/s"),
        Row("infinity torch, HTTP", "queries, 32 clients", "texts/s, single texts", 100, "/s"),
        Row("infinity optimum INT8, HTTP", "queries, 32 clients", "texts/s, single texts", 650, "/s"),
    ]


def test_targets_are_ratios_within_the_run() -> None:
    found = {each.what: each for each in compare_with_targets(rows(500, 100, 3.0))}
    assert found["gRPC in bulk, abstracts: times sentence-transformers torch"].value == 5
    assert found["gRPC in bulk, abstracts: times sentence-transformers torch"].met
    assert found["one query, gRPC: p50 of sentence-transformers torch's"].value == 0.375
    assert not found["one query, gRPC: p50 of sentence-transformers torch's"].met
    assert found["gRPC, 32 clients: times infinity torch"].value == 13
    assert found["gRPC, 32 clients: times infinity optimum INT8, HTTP, its fastest"].value == 2
    assert results_table(list(found.values())).count("missed") == 2


def test_targets_without_figures_are_left_out() -> None:
    assert compare_with_targets([Row("fastembed FP32", "abstracts", "texts/s, bulk", 3, "/s")]) == []


def test_the_plot_is_well_formed() -> None:
    plot = plot_run(rows(500, 100, 3.0))
    ElementTree.fromstring(plot)
    assert "sentence-transformers torch FP32" in plot
    ElementTree.fromstring(plot_run([]))


class Clockwork:
    """System that takes a millisecond a text and records its turns."""

    served = False

    def __init__(self, name: str, turns: list[str]) -> None:
        self.name = name
        self.turns = turns


def test_systems_take_turns_on_texts_of_their_own() -> None:
    turns: list[str] = []
    seen: list[str] = []

    def cell(system: object, texts: object) -> CellResult:
        assert isinstance(system, Clockwork)
        assert isinstance(texts, list)
        system.turns.append(system.name)
        seen.extend(texts)
        return CellResult(len(texts), len(texts) / 1000, 0.0)

    systems = [Clockwork("a", turns), Clockwork("b", turns)]
    found = interleave(systems, Supply(PAPERS), "queries", Effort(3, 0.064), cell, 32)  # type: ignore[arg-type]
    assert turns == ["a", "b"] * 4
    assert [measured.texts for measured in found["a"]] == [64, 64, 64]
    assert len(set(seen)) == len(seen)
