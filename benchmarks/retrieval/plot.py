"""Plot curves of the retrieval benchmark: recall against queries/s, and cost against size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from akin.charts import Line, as_svg, draw_lines, new_figure

Points = Sequence[tuple[float, float]]


def plot(curves: Mapping[str, Points], x_label: str, y_label: str, *, log_x: bool = True) -> str:
    """Return a line with dots for each curve, as SVG.

    Args:
        curves: Points by name; y must be above 0, and x too where its axis is logarithmic.
        x_label: The label of the x axis, with its unit.
        y_label: The label of the y axis, which is always logarithmic, with its unit.
        log_x: Use a logarithmic x axis.

    Raises:
        ValueError: There is no point to draw.
    """
    if not any(curves.values()):
        raise ValueError("there is nothing to draw: no curve has a point")
    figure, (axes,) = new_figure(8, [4.2])
    lines = [Line(name, sorted(points)) for name, points in curves.items()]
    draw_lines(axes, lines, x_label, y_label, log_x=log_x, log_y=True)
    if log_x:
        xs = sorted({x for points in curves.values() for x, _ in points})
        axes.set_xticks(xs, [_tick(x) for x in xs])
        axes.minorticks_off()
    return as_svg(figure, f"{y_label} against {x_label}")


def _tick(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:.3g}"
