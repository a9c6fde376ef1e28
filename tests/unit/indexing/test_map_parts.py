"""Parts of a map: coordinates, tiles, groups, years, labels and places among neighbours."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from akin.indexing.corpus_map import neighbours
from akin.indexing.corpus_map.groups import MOST_GROUPS, Grouping, group_papers, years_of
from akin.indexing.corpus_map.labels import make_labels, terms_of
from akin.indexing.corpus_map.neighbours import Neighbourhood, mean_place
from akin.indexing.corpus_map.tiles import divide, to_coordinates
from retrieval_service.corpus.map_files import EDGE, NO_YEAR, NOWHERE, POINT_BYTES


def grouped(*codes: str, known: Any = None) -> Grouping:
    return group_papers(codes, len(codes), known)


def unit(rng: Any, n: int, dim: int = 16) -> Any:
    found = rng.standard_normal((n, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_coordinates_keep_the_proportions_and_leave_a_margin() -> None:
    places = np.asarray([[0, 0], [10, 0], [0, 5], [99, 99]], np.float32)
    found = to_coordinates(places, np.asarray([True, True, True, False]))
    assert found[3].tolist() == [NOWHERE, NOWHERE]
    x, y = found[:3].astype(float).T
    assert abs((x[1] - x[0]) - 2 * (y[0] - y[2])) <= 2  # y grows downwards
    assert 0 < x.min() < x.max() < EDGE


@pytest.mark.parametrize("count", [0, 1, 3])
def test_equal_places_are_in_the_middle(count: int) -> None:
    found = to_coordinates(np.full((count, 2), 7, np.float32), np.ones(count, np.bool_))
    assert (found == EDGE // 2).all()


@pytest.mark.parametrize("spread", [65_535, 40, 1])
def test_tiles_hold_every_point_once_in_its_square(spread: int) -> None:
    rng = np.random.default_rng(3)
    coordinates = rng.integers(0, spread, (5000, 2)).astype(np.uint16)
    groups, years = rng.integers(0, 9, 5000).astype(np.uint8), rng.integers(0, 30, 5000).astype(np.uint8)
    points: list[tuple[int, ...]] = []
    for tile, content in divide(coordinates, groups, years, 1, most=256):
        n = tile.points
        assert len(content) == POINT_BYTES * n
        assert tile.first == len(points)
        x, y = (np.frombuffer(content, "<u2", n, 2 * n * axis) for axis in (0, 1))
        group, year = (np.frombuffer(content, np.uint8, n, at * n) for at in (4, 5))
        assert set(zip(x >> (16 - tile.z), y >> (16 - tile.z), strict=True)) == {(tile.x, tile.y)}
        points += list(zip(*(each.tolist() for each in (x, y, group, year)), strict=True))
    wanted = zip(*coordinates.T.tolist(), groups.tolist(), years.tolist(), strict=True)
    assert sorted(points) == sorted(wanted)


def test_the_first_tile_is_an_even_sample() -> None:
    rng = np.random.default_rng(1)
    coordinates = rng.integers(0, 65_535, (20_000, 2)).astype(np.uint16)
    nothing = np.zeros(20_000, np.uint8)
    tile, content = next(divide(coordinates, nothing, nothing, 1, most=4000))
    assert (tile.z, tile.points) == (0, 4000)
    left = np.frombuffer(content, "<u2", 4000) < 1 << 15
    assert 1800 < np.count_nonzero(left) < 2200


def test_archives_are_groups_unless_one_has_nearly_all() -> None:
    several = grouped(*["cs.LG"] * 3, *["hep-th"] * 2, "cmp-lg", "")
    assert several.by == "archive"
    assert [(each.code, each.papers) for each in several.groups] == [("cs", 4), ("hep-th", 2), ("", 1)]
    assert several.of_rows.tolist() == [0, 0, 0, 1, 1, 0, 2]
    one = grouped(*["cs.LG"] * 9, *["cs.CL"] * 5, "math.NA")
    assert one.by == "category"
    assert [each.name for each in one.groups][:2] == ["Machine Learning", "Computation and Language"]


def test_there_are_few_groups_and_the_rest_is_one() -> None:
    codes = [f"a{number}.X" for number in range(20) for _ in range(20 - number)]
    found = grouped(*codes)
    assert len(found.groups) == MOST_GROUPS + 1
    assert sum(each.papers for each in found.groups) == len(codes)
    kept = grouped("a9.X", "a0.X", known=(found.by, [each.code for each in found.groups]))
    assert [each.code for each in kept.groups] == [each.code for each in found.groups]
    assert kept.of_rows.tolist() == [MOST_GROUPS, 0]


def test_a_corpus_without_categories_has_one_group() -> None:
    found = grouped("", "")
    assert [(each.code, each.papers) for each in found.groups] == [("", 2)]


def test_years_are_counted_from_the_first() -> None:
    days = [date(1991, 12, 31), date(1992, 1, 1), date(2026, 11, 27), None, date(1, 1, 1)]
    found, first, newest = years_of(np.asarray([day.toordinal() if day else 0 for day in days[:4]], np.int32))
    assert (found.tolist(), first, newest) == ([1, 2, 36, NO_YEAR], 1991, 2026)
    found, first, newest = years_of(np.asarray([day.toordinal() if day else 0 for day in days], np.int32))
    assert found.max() == newest - first + 1 <= 255  # one absurd year does not overflow
    assert years_of(np.zeros(3, np.int32))[1:] == (0, 0)


def test_regions_are_named_by_categories_and_by_their_own_words() -> None:
    rng = np.random.default_rng(1)
    topics = ["quantum dots of silicon", "galaxy clusters at redshift"]
    titles = [f"{topics[row % 2]} and case {row}" for row in range(2000)]
    where = np.asarray([[15_000, 20_000], [50_000, 40_000]])
    coordinates = (where[np.arange(2000) % 2] + rng.normal(0, 1500, (2000, 2))).astype(np.uint16)
    grouping = grouped(*["cond-mat.mes-hall", "astro-ph.CO"] * 1000)
    rows = np.arange(2000)
    labels = make_labels(coordinates, grouping, np.ones(2000, np.bool_), rows, titles, 1)
    first = [label for label in labels if label.level == 0]
    assert {label.category for label in first} == {"cond-mat", "astro-ph"}
    place = next(label for label in first if label.category == "cond-mat")
    assert abs(place.x - 15_000 / EDGE) < 0.05
    assert abs(place.y - 20_000 / EDGE) < 0.05
    named = [label for label in labels if label.category is None]
    assert any("quantum dots" in label.text for label in named if label.x < 0.5)
    assert all("galaxy" not in label.text for label in named if label.x < 0.5)
    again = make_labels(coordinates, grouping, np.ones(2000, np.bool_), rows, titles, 1)
    assert again == labels


@pytest.mark.parametrize("title", ["", "…", "$x^2$", "的 学习", "the of and"])
def test_titles_without_words_give_no_label(title: str) -> None:
    rows = np.arange(40)
    coordinates = np.full((40, 2), 9, np.uint16)
    grouping = grouped(*[""] * 40)
    labels = make_labels(coordinates, grouping, np.ones(40, np.bool_), rows, [title] * 40, 1)
    assert all(label.text.strip() for label in labels)
    assert title != "的 学习" or labels


def test_pairs_of_words_are_terms_unless_something_separates_them() -> None:
    title = r"On $\mathcal{N}=4$ \emph{Yang--Mills}: Wilson loops of a quark"
    assert list(terms_of(title)) == ["yang–mills", "wilson", "loops", "wilson loops", "quark"]


@pytest.mark.parametrize("exact_below", [1000, 100])
def test_neighbours_are_the_nearest_others(exact_below: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_EXACT_BELOW", exact_below)
    rng, count = np.random.default_rng(5), 600
    centres = unit(rng, count // 20)
    vectors = centres[np.arange(count) % len(centres)] + 0.05 * unit(rng, count)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    steps: list[int] = []
    rows, distances = Neighbourhood(vectors, 1).of_all(vectors, 5, lambda done, total: steps.append(done))
    assert steps[-1] == count
    assert not (rows == np.arange(count)[:, None]).any()
    same = rows % len(centres) == np.arange(count)[:, None] % len(centres)
    assert same.mean() > 0.97
    assert (distances >= 0).all()


def test_equal_vectors_have_neighbours_too() -> None:
    vectors = np.tile(unit(np.random.default_rng(1), 1), (30, 1))
    rows, distances = Neighbourhood(vectors, 1).of_all(vectors, 4, lambda done, total: None)
    assert rows.shape == (30, 4)
    assert ((rows >= 0) & (rows < 30)).all()
    assert not (rows == np.arange(30)[:, None]).any()
    assert np.allclose(distances, 0, atol=1e-3)


def test_a_place_is_the_mean_of_the_nearest() -> None:
    places = np.asarray([[0, 0], [10, 0], [100, 100]], np.float32)
    assert mean_place(np.asarray([[1.0, 1.0]], np.float32), np.asarray([[0, 1]]), places).tolist() == [[5, 0]]
    near = mean_place(np.asarray([[0.9, 0.3]], np.float32), np.asarray([[0, 2]]), places)[0]
    assert near[0] < 1
