"""Divide the points of a map into tiles, of which each prefix of zooms is an even sample of the map."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from retrieval_service.corpus.map_files import EDGE, NOWHERE, Coordinates, MapTile

TILE_POINTS = 8192
"""Most points of a tile, but for those of the last zoom."""
LAST_ZOOM = 10
_MARGIN = 0.02

Bytes = NDArray[np.uint8]


def to_coordinates(places: NDArray[np.float32], placed: NDArray[np.bool_]) -> Coordinates:
    """Return places as coordinates, in one scale for both axes and with a margin.

    Args:
        places: x and y of each paper, in any unit, y growing upwards.
        placed: bool [n], True for the papers that have a place.
    """
    found = np.full((len(places), 2), NOWHERE, np.uint16)
    if placed.any():
        known = places[placed].astype(np.float64)
        low, high = known.min(axis=0), known.max(axis=0)
        widest = max(float((high - low).max()), 1e-9)
        scaled = 0.5 + (known - (low + high) / 2) / widest * (1 - 2 * _MARGIN)
        scaled[:, 1] = 1 - scaled[:, 1]
        found[placed] = np.round(np.clip(scaled, 0, 1) * EDGE)
    return found


def divide(
    coordinates: Coordinates, groups: Bytes, years: Bytes, seed: int, most: int = TILE_POINTS
) -> Iterator[tuple[MapTile, bytes]]:
    """Yield each tile with its bytes, from the whole map to the smallest squares.

    Args:
        coordinates: x and y of each point.
        groups: Number of each point's group.
        years: Each point's year, counted from the first as 1.
        seed: Seed of the order, which decides the points of the upper tiles.
        most: Most points of a tile.
    """
    left = np.random.default_rng(seed).permutation(len(coordinates))
    first = 0
    for zoom in range(LAST_ZOOM + 1):
        if not len(left):
            return
        cells = (coordinates[left].astype(np.int64) << zoom) >> 16
        keys = cells[:, 1] << zoom | cells[:, 0]
        order = np.argsort(keys, kind="stable")
        left, keys = left[order], keys[order]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        ends = np.r_[starts[1:], len(keys)]
        rest = []
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            stop = end if zoom == LAST_ZOOM else min(end, start + most)
            points = left[start:stop]
            rest.append(left[stop:end])
            y, x = divmod(int(keys[start]), 1 << zoom)
            yield MapTile(zoom, x, y, first, len(points)), _content(points, coordinates, groups, years)
            first += len(points)
        # Within a cell the order stays random.
        left = np.concatenate(rest)


def _content(points: NDArray[np.int64], coordinates: Coordinates, groups: Bytes, years: Bytes) -> bytes:
    x, y = coordinates[points].astype("<u2").T
    return b"".join(part.tobytes() for part in (x, y, groups[points], years[points]))
