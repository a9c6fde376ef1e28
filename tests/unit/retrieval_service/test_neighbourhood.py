"""Test the drawing of a neighbourhood: what lies near what, and that it is always the same."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval_service.search.neighbourhood import draw


def cosines(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def clusters(seed: int = 3) -> np.ndarray:
    """Return 31 vectors: one in the middle, and three groups of ten."""
    dice = np.random.default_rng(seed)
    groups = 1.2 * np.eye(64)[:3] + 1.0 * np.eye(64)[3]
    return np.concatenate([[groups.mean(axis=0)], *(group + 0.05 * dice.standard_normal((10, 64)) for group in groups)])


def distances(places: np.ndarray) -> np.ndarray:
    return np.linalg.norm(places[:, None] - places[None], axis=2)


def test_papers_of_a_group_lie_together_and_the_paper_in_the_middle() -> None:
    drawing = draw(cosines(clusters()))
    places = np.array(drawing.places)
    assert drawing.places[0] == (0.0, 0.0)
    centres = np.stack([places[1 + 10 * group : 11 + 10 * group].mean(axis=0) for group in range(3)])
    for group in range(3):
        apart = np.linalg.norm(places[1 + 10 * group : 11 + 10 * group] - centres[group], axis=1)
        others = np.delete(distances(centres)[group], group)
        assert apart.max() < others.min() * 0.6
    for edge in drawing.edges:
        if edge.one > 0:
            assert (edge.one - 1) // 10 == (edge.other - 1) // 10


def test_an_edge_is_to_the_nearest_papers_and_there_once() -> None:
    near = cosines(clusters())
    edges = {(edge.one, edge.other): edge.similarity for edge in draw(near).edges}
    assert all(one < other for one, other in edges)
    for one in range(len(near)):
        joined = {sum(edge) - one for edge in edges if one in edge}
        order = np.argsort(-near[one])
        assert set(order[order != one][:2].tolist()) <= joined
        for other in joined:
            assert edges[min(one, other), max(one, other)] == pytest.approx(near[one, other], abs=1e-4)


def test_nearer_papers_lie_nearer_to_the_middle() -> None:
    near = cosines(np.random.default_rng(5).standard_normal((41, 3)) + np.array([3.0, 0.0, 0.0]))
    near[0] = near[:, 0] = np.sort(near[0])[::-1]
    radii = np.hypot(*np.array(draw(near).places).T)
    assert np.corrcoef(radii[1:], np.sqrt(2 - 2 * near[0, 1:]))[0, 1] > 0.95
    assert radii[1] < radii[40] / 2
    # Where all are about equally far, none looks near.
    assert np.hypot(*np.array(draw(0.5 + 0.5 * np.eye(20)).places).T)[1:].min() > 0.7


def test_papers_near_each_other_lie_in_one_direction() -> None:
    near = cosines(np.random.default_rng(5).standard_normal((41, 3)))
    places = np.array(draw(near).places)[1:]
    directions = places / np.hypot(*places.T)[:, None]
    pairs = np.triu_indices(40, 1)
    assert np.corrcoef((directions @ directions.T)[pairs], near[1:, 1:][pairs])[0, 1] > 0.6


def test_one_corpus_gives_one_drawing_whatever_the_last_digits() -> None:
    near = cosines(clusters())
    noise = 1e-9 * np.random.default_rng(1).standard_normal(near.shape)
    assert draw(near) == draw(near.copy())
    assert np.abs(np.array(draw(near).places) - np.array(draw(near + noise).places)).max() <= 0.002


@pytest.mark.parametrize("count", [1, 2, 3, 40])
@pytest.mark.parametrize("kind", ["equal", "unrelated", "opposite", "zero"])
def test_any_papers_are_drawn_apart_and_within_the_plane(count: int, kind: str) -> None:
    near = {
        "equal": np.ones((count, count)),
        "unrelated": np.eye(count),
        "opposite": 2 * np.eye(count) - np.ones((count, count)),
        "zero": np.zeros((count, count)),
    }[kind]
    places = np.array(draw(near).places)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert np.abs(places).max() <= 1
    apart = distances(places) + 2 * np.eye(count)
    assert apart.min() > 0.03
