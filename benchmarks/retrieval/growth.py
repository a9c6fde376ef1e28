"""Show costs against the size of the corpus, and predict them for a hundred million papers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from akin.indexing.options import EXACT_BELOW
from benchmarks.report import Row

PREDICTED_AT = 100_000_000
GROWING = {
    ("akin", "build_s"): "index build, s",
    ("akin", "memory_mb"): "index memory, MB",
    ("akin", "p50_ms"): "index search alone, p50 ms",
    ("akin over HTTP", "snapshot_build_s"): "snapshot build without embedding, s",
    ("akin over HTTP", "service_memory_mb"): "service memory, MB",
    ("akin over HTTP, title, hybrid", "p50_ms"): "title over HTTP alone, p50 ms",
    ("akin over HTTP, abstract, hybrid", "p50_ms"): "abstract over HTTP alone, p50 ms",
}
"""The figures that are shown, by system and metric, and their names in the table."""

Curve = Sequence[tuple[int, float]]


def curves(rows: Sequence[Row], sizes: dict[str, int]) -> dict[str, list[tuple[int, float]]]:
    """Return points (papers, value) of each figure; `sizes` has the number of papers of each dataset."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        name = GROWING.get((row.system, row.metric))
        if name and row.dataset in sizes:
            found.setdefault(name, []).append((sizes[row.dataset], row.value))
    return {name: sorted(curve) for name, curve in found.items()}


def predict(curve: Curve, at: int = PREDICTED_AT) -> tuple[float, float] | None:
    """Return the figure at a size and the exponent, by the power law that fits the measurements best.

    The fit is least squares over the logarithms. Sizes below `EXACT_BELOW` are left out, as their index is of another
    kind. Return None for fewer than two sizes: one point has no slope.
    """
    points = [(math.log(size), math.log(value)) for size, value in curve if value > 0 and size >= EXACT_BELOW]
    if len({x for x, _ in points}) < 2:
        return None
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    power = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return math.exp(mean_y + power * (math.log(at) - mean_x)), power


def growth_table(found: dict[str, list[tuple[int, float]]], labels: dict[int, str]) -> str:
    """Return a Markdown table: a line for each figure, a column for each size, and the prediction."""
    sizes = sorted({size for curve in found.values() for size, _ in curve})
    lines = [
        f"| | {' | '.join(labels[size] for size in sizes)} | grows with size^ | predicted at 100M |",
        f"| --- |{' ---: |' * (len(sizes) + 2)}",
    ]
    for name, curve in found.items():
        cells = [f"{dict(curve)[size]:,.4g}" if size in dict(curve) else "" for size in sizes]
        fit = predict(curve)
        ends = [f"{fit[1]:.2f}", f"{fit[0]:,.3g}"] if fit else ["", ""]
        lines.append(f"| {name} | {' | '.join([*cells, *ends])} |")
    return "\n".join(lines) + "\n"
