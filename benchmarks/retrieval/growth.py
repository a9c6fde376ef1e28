"""What a larger corpus costs: the figures against the size, and what they would be at a hundred million."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.report import Row
from indexing.options import EXACT_BELOW

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
"""The figures that are followed, by system and metric, and what a reader calls them."""

Curve = Sequence[tuple[int, float]]


def curves(rows: Sequence[Row], sizes: dict[str, int]) -> dict[str, list[tuple[int, float]]]:
    """Each figure that was measured, against the number of papers; `sizes` are the datasets' numbers."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        name = GROWING.get((row.system, row.metric))
        if name and row.dataset in sizes:
            found.setdefault(name, []).append((sizes[row.dataset], row.value))
    return {name: sorted(curve) for name, curve in found.items()}


def predict(curve: Curve, at: int = PREDICTED_AT) -> tuple[float, float] | None:
    """The figure at a size, by the power of the size that fits the measured ones best, and that power.

    Least squares over the logarithms. Below `EXACT_BELOW` papers the index is of another kind, which grows in its own
    way. None with fewer than two sizes: one point has no slope.
    """
    points = [(math.log(size), math.log(value)) for size, value in curve if value > 0 and size >= EXACT_BELOW]
    if len({x for x, _ in points}) < 2:
        return None
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    power = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return math.exp(mean_y + power * (math.log(at) - mean_x)), power


def table(found: dict[str, list[tuple[int, float]]], labels: dict[int, str]) -> str:
    """A Markdown table: a line for each figure, a column for each size, and the predicted one."""
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
