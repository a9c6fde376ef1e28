"""Draw a map as a static picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from akin.charts import as_png, as_svg
from akin.charts.points import Cloud, draw_points, new_square
from akin.cli.output import write_output
from retrieval_service.corpus.map_files import EDGE, POINT_BYTES, CorpusMap, MapLabel

_MOST_POINTS = 45_000
"""Points of a picture: more are hidden behind each other."""


def write_picture(path: Path, opened: CorpusMap, *, by_year: bool, most_labels: int) -> None:
    """Write the map as SVG or PNG, as the file's name says.

    Raises:
        OSError: The file cannot be written.
    """
    about = opened.manifest
    x, y, groups, years = _points(opened)
    if by_year:
        clouds = [Cloud("", x[years > 0], y[years > 0], years[years > 0].astype(np.float32) + (about.first_year - 1))]
    else:
        clouds = [
            Cloud(group.name, x[groups == number], y[groups == number], other=not group.code)
            for number, group in enumerate(about.groups)
            if (groups == number).any()
        ]
    figure, axes = new_square()
    draw_points(axes, clouds, [(each.x, each.y, each.text) for each in _spread(about.labels, most_labels)])
    description = f"Map of {about.placed:,} papers, near each other by meaning"
    content = as_svg(figure, description).encode() if path.suffix.lower() == ".svg" else as_png(figure)
    write_output(path, content)


def _points(opened: CorpusMap) -> tuple[np.ndarray, ...]:
    """Return x, y, group and year of an even sample of the points."""
    found: list[tuple[np.ndarray, ...]] = []
    by_zoom = Counter[int]()
    for tile in opened.manifest.tiles:
        by_zoom[tile.z] += tile.points
    # Whole zooms only: a part of one would leave some squares with fewer points.
    total = np.cumsum([by_zoom[zoom] for zoom in sorted(by_zoom)])
    zooms = max(1, int(np.count_nonzero(total <= _MOST_POINTS)))
    for tile in opened.manifest.tiles:
        if tile.z >= zooms:
            break
        content = opened.tile(tile.z, tile.x, tile.y)
        n = len(content) // POINT_BYTES
        x, y = (np.frombuffer(content, "<u2", n, 2 * n * axis) / EDGE for axis in (0, 1))
        found.append((x, y, np.frombuffer(content, np.uint8, n, 4 * n), np.frombuffer(content, np.uint8, n, 5 * n)))
    if not found:
        return tuple(np.empty(0) for _ in range(4))
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))


def _spread(labels: tuple[MapLabel, ...], most: int) -> list[MapLabel]:
    """Return the labels that have room: those of the whole map first, then those of its regions."""
    chosen: list[MapLabel] = []
    for label in labels:
        if len(chosen) == most:
            break
        free = all(
            abs(label.y - other.y) > 0.025 or abs(label.x - other.x) > 0.006 * (len(label.text) + len(other.text)) / 2
            for other in chosen
        )
        if free:
            chosen.append(label)
    return chosen
