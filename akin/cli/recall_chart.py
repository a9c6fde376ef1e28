"""Draw the curves that `akin index tune` measured: recall against time, a line for each way to search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from akin.storage.durable import replace_file
from retrieval_service.corpus.manifest import CurvePoint

NEEDS_PLOTS = "no chart was drawn, as matplotlib is not installed: install akin with its extra `plots`"


def write_recall_chart(path: Path, points: Sequence[CurvePoint], chosen: CurvePoint, recall: float) -> bool:
    """Write the chart as SVG and make its folder; return False if matplotlib is not installed.

    Raises:
        OSError: The file cannot be written.
    """
    if find_spec("matplotlib") is None:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, recall_chart(points, chosen, recall).encode())
    return True


def recall_chart(points: Sequence[CurvePoint], chosen: CurvePoint, recall: float) -> str:
    """Return recall@10 against milliseconds for a query, on a logarithmic axis, as SVG.

    Args:
        points: The measurements, each with its recipe.
        chosen: The point that serves; it gets a ring.
        recall: The target; it gets a dashed line.
    """
    # Imported here: commands that draw nothing must not wait for matplotlib, and images do not have it.
    from akin.charts import INK, Line, as_svg, draw_lines, new_figure

    curves: defaultdict[str, list[CurvePoint]] = defaultdict(list)
    for point in points:
        refined = f", k_factor {point.k_factor:g}" if "Refine" in point.recipe else ""
        curves[f"{point.recipe}{refined}"].append(point)
    figure, (axes,) = new_figure(8.5, [4.4])
    lines = [
        Line(name, [(each.ms, each.recall_at_10) for each in curve], [f"{name}, {_tip(each)}" for each in curve])
        for name, curve in curves.items()
    ]
    draw_lines(axes, lines, "ms a query, one thread", "recall@10", log_x=True, limit=recall)
    axes.plot([chosen.ms], [chosen.recall_at_10], "o", color=INK, markersize=11, fillstyle="none", gid="chosen")
    axes.set_ylim(max(0.5, axes.get_ylim()[0]), 1.01)
    return as_svg(figure, "recall@10 against milliseconds for a query")


def _tip(point: CurvePoint) -> str:
    return f"nprobe {point.nprobe}: {point.recall_at_10:.3f} in {point.ms:.2f} ms, {point.memory_mb:g} MB"
