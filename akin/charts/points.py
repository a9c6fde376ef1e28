"""Clouds of points on a plane, with names in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from akin.charts.figures import COLOURS, INK, STYLE

_MORE_COLOURS = (*COLOURS, "#7f4fc9", "#8c6d31")
_OTHER = "#8a8f98"


@dataclass(frozen=True)
class Cloud:
    """Points of one meaning.

    Attributes:
        name: The entry in the legend; empty for none.
        x: Places from the left, 0 to 1.
        y: Places from above, 0 to 1.
        values: A number of each point, which its colour shows; None for one colour.
        other: True for a grey cloud, of what has no colour of its own.
    """

    name: str
    x: NDArray[Any]
    y: NDArray[Any]
    values: NDArray[Any] | None = None
    other: bool = False


@rc_context(STYLE)
def new_square(inches: float = 9.0) -> tuple[Figure, Axes]:
    """Return a figure with one square chart without axes."""
    figure = Figure(figsize=(inches, inches), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[], aspect="equal")
    axes.set_axis_off()
    return figure, axes


@rc_context(STYLE)
def draw_points(axes: Axes, clouds: Sequence[Cloud], names: Sequence[tuple[float, float, str]]) -> None:
    """Draw clouds as dots, which are one image in an SVG, and names over them."""
    for number, cloud in enumerate(clouds):
        colour: Any = _OTHER if cloud.other else _MORE_COLOURS[number % len(_MORE_COLOURS)]
        dots = axes.scatter(
            *(cloud.x, cloud.y, 2),
            c=colour if cloud.values is None else cloud.values,
            cmap=None if cloud.values is None else "cividis",
            linewidths=0,
            alpha=0.45,
            label=cloud.name,
            rasterized=True,
        )
        if cloud.values is not None:
            axes.figure.colorbar(dots, ax=axes, shrink=0.4, format="{x:.0f}")
    for x, y, text in names:
        axes.text(x, y, text, ha="center", va="center", fontsize=7, fontweight="bold", color=INK)
    if any(cloud.name for cloud in clouds):
        axes.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=3, markerscale=4)
