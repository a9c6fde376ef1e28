"""Draw the papers nearest to one on a plane around it.

The distance from the middle says how near a paper is to the one in the middle. The direction says what it is alike:
papers that are near each other lie in one direction. Directions come from multidimensional scaling of the distances
among the papers: majorisation of the stress (SMACOF; de Leeuw 1977), from about the places of classical scaling on.
Nothing is random, and rounding hides the last digits: one corpus gives one drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_TURNS, _STEPS = 30, 60
_INNER = 0.25  # radius of the nearest paper, if others are much farther
_LEAST_SPAN = 0.15  # of the greatest distance
_TINY = 1e-6
_LEAST = 0.05  # distance, so that copies of a paper do not hide each other
_GAP = 0.09  # between two places, on a plane from -1 to 1
_PUSHES = 60
_NEAREST = 2  # papers that each paper is joined to


class Edge(NamedTuple):
    """Two places of the list of papers, the lower first, with the cosine of the papers."""

    one: int
    other: int
    similarity: float


@dataclass(frozen=True)
class Drawing:
    """Papers on a plane.

    Attributes:
        places: x and y of each paper, from -1 to 1; the first paper is at 0, 0.
        edges: Each paper with its nearest ones.
    """

    places: list[tuple[float, float]]
    edges: list[Edge]


def draw(cosines: Matrix) -> Drawing:
    """Return the drawing of papers with these cosines [n, n], around the first one."""
    count = len(cosines)
    cosines = np.clip((cosines + cosines.T) / 2, -1.0, 1.0)
    distances = np.maximum(np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosines)), _LEAST)
    np.fill_diagonal(distances, 0.0)
    places = np.zeros((count, 2))
    if count > 1:
        places[1:] = _radii(distances[0, 1:])[:, None] * _directions(distances[1:, 1:])
        places = _spread(places)
        places /= max(1.0, float(np.abs(places).max()))
    shown = np.round(places, 3) + 0.0  # no -0.0
    return Drawing([(float(x), float(y)) for x, y in shown], _edges(cosines))


def _radii(distances: Matrix) -> Matrix:
    """Return the radius of each paper, from `_INNER` to 1; papers that are about equally far are kept together."""
    farthest = float(distances.max())
    span = max(farthest - float(distances.min()), _LEAST_SPAN * farthest)
    return 1.0 - (1.0 - _INNER) * (farthest - distances) / span


def _directions(distances: Matrix) -> Matrix:
    """Return the direction of each paper from the middle of all, a unit vector; the nearest paper lies to the right."""
    places = _majorise(distances, _classical(distances)) if len(distances) > 1 else np.ones((1, 2))
    places = places - places.mean(axis=0) if len(distances) > 1 else places
    sizes = np.maximum(np.hypot(places[:, 0], places[:, 1]), 1e-9)
    x, y = (places / sizes[:, None]).T
    if np.hypot(x[0], y[0]) < 0.5:  # it lies in the middle
        x[0], y[0] = 1.0, 0.0
    turned = np.stack([x[0] * x + y[0] * y, x[0] * y - y[0] * x], axis=1)
    # Mirrored so that more papers lie above.
    return turned * np.array([1.0, -1.0]) if float(np.round(turned[:, 1].sum(), 6)) < 0 else turned


def _classical(distances: Matrix) -> Matrix:
    """Return about the places of classical scaling, on the two main axes of the doubly centred squares."""
    squares = distances**2
    centred = -0.5 * (squares - squares.mean(axis=0) - squares.mean(axis=1)[:, None] + squares.mean())
    # Orthogonal iteration, from a spiral; it also keeps equal papers apart.
    angles = np.arange(len(distances)) * 2.4
    first, second = np.cos(angles), np.sin(angles)
    for _ in range(_TURNS):
        first = _unit(_product(centred, first) + _TINY * np.cos(angles))
        second = _product(centred, second) + _TINY * np.sin(angles)
        second = _unit(second - first * (first * second).sum())
    return np.stack([first, second], axis=1)


def _product(matrix: Matrix, vector: Matrix) -> Matrix:
    # The algebra library would share it among threads, which wait for each other when the cores are busy.
    product: Matrix = (matrix * vector).sum(axis=1)
    return product


def _unit(vector: Matrix) -> Matrix:
    return vector / max(float(np.sqrt((vector * vector).sum())), 1e-12)


def _majorise(distances: Matrix, places: Matrix) -> Matrix:
    """Return places of less stress, by steps each of which lowers it (SMACOF)."""
    for _ in range(_STEPS):
        pulls = np.divide(-distances, np.maximum(_apart(places), 1e-9))
        np.fill_diagonal(pulls, 0.0)
        np.fill_diagonal(pulls, -pulls.sum(axis=1))
        places = np.stack([_product(pulls, places[:, 0]), _product(pulls, places[:, 1])], axis=1) / len(distances)
    return places


def _apart(places: Matrix) -> Matrix:
    """Return the distance of each pair of places."""
    x, y = places[:, 0], places[:, 1]
    distances: Matrix = np.hypot(x[:, None] - x, y[:, None] - y)
    return distances


def _spread(places: Matrix) -> Matrix:
    """Return the places with a gap between any two, so that each can be pointed at; the first stays."""
    places = places.copy()
    for _ in range(_PUSHES):
        between = places[:, None] - places[None]
        apart = _apart(places)
        np.fill_diagonal(apart, np.inf)
        if (apart >= _GAP).all():
            break
        push = np.maximum(0.0, _GAP - apart)[..., None] * between / np.maximum(apart, 1e-9)[..., None]
        places += 0.5 * push.sum(axis=1)
        places -= places[0]
    return places


def _edges(cosines: Matrix) -> list[Edge]:
    """Return each paper's edges to its nearest ones, each once; those to papers that come first win ties."""
    near = cosines - np.eye(len(cosines)) * 4
    order = np.argsort(-np.round(near, 4), axis=1, kind="stable")[:, : min(_NEAREST, len(near) - 1)]
    pairs = {(min(one, other), max(one, other)) for one, row in enumerate(order.tolist()) for other in row}
    return [Edge(one, other, round(float(cosines[one, other]), 4)) for one, other in sorted(pairs)]
