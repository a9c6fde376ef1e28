"""Figures in the project's style, and their output: the same figure always gives the same bytes."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from cycler import cycler
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours that are distinct with every kind of colour blindness (Okabe and Ito, 2008)."""

INK = "#010203"
"""The colour of text and axes. SVG output replaces it with one that fits a light or a dark page."""

_GREY = "#8a8f98"
_DASHES = ("-", "--", "-.", ":")
_TIP = "tip:"
STYLE: dict[Any, Any] = {  # matplotlib's type lists every key
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "axes.facecolor": "none",
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "svg.fonttype": "none",  # text stays text: smaller, and it can be searched
    "svg.hashsalt": "akin",  # without it, ids differ from one run to the next
}
_CSS = (
    ".chart{color:#1f2328;background:#fff}@media(prefers-color-scheme:dark){.chart{color:#e6edf3;background:#0d1117}}"
)


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: The entry in the legend.
        points: x and y of each point; the line is interrupted where y is None.
        tips: The tooltip of each point; without them, a tooltip shows the name, x and y.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    tips: Sequence[str] = ()


@rc_context(STYLE)
def new_figure(width: float, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Return a figure with one chart below the other; sizes are in inches of 72 points."""
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    return figure, list(figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])


@rc_context(STYLE)
def draw_lines(
    axes: Axes,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    limit: float | None = None,
    dots: bool = True,
) -> None:
    """Draw lines with a legend beside them.

    Args:
        axes: The chart to draw in.
        lines: The lines; colours and dashes repeat after twelve.
        x_label: The label of the x axis, with its unit.
        y_label: The label of the y axis, with its unit.
        title: The text above the chart.
        log_x: Use a logarithmic x axis.
        log_y: Use a logarithmic y axis.
        limit: Draw a thin dashed horizontal line at this y.
        dots: Draw a dot with a tooltip for each point.
    """
    axes.set(xlabel=x_label, ylabel=y_label, xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    axes.set_title(title, loc="left")
    axes.grid()
    for number, line in enumerate(lines):
        colour, dash = COLOURS[number % len(COLOURS)], _DASHES[number % len(_DASHES)]
        ys = [math.nan if y is None else y for _, y in line.points]
        axes.plot([x for x, _ in line.points], ys, dash, color=colour, label=line.name)
        for place, (x, y) in enumerate(line.points if dots else ()):
            if y is not None:
                tip = line.tips[place] if line.tips else f"{line.name}: {y:,.4g} at {x:,.4g}"
                axes.plot([x], [y], "o", color=colour, markersize=4, gid=_TIP + tip)
    for axis in [axes.xaxis] * log_x + [axes.yaxis] * log_y:
        low, high = axis.get_data_interval()
        axis.set_major_formatter("{x:g}")
        # Within one decade, only minor ticks may be visible.
        axis.set_minor_formatter("{x:g}" if high < 10 * low else "")
    if limit is not None:
        axes.axhline(limit, color=INK, linewidth=1, linestyle=(0, (4, 3)), gid="limit")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


@rc_context(STYLE)
def draw_bars(axes: Axes, title: str, values: Mapping[str, float], emphasised: Collection[str]) -> None:
    """Draw a horizontal bar with its figure for each value, from the top; the emphasised ones are in colour."""
    colours = [COLOURS[0] if name in emphasised else _GREY for name in values]
    bars = axes.barh(list(values), list(values.values()), color=colours)
    axes.bar_label(bars, [f"{value:,.0f}" for value in values.values()], padding=4)
    axes.invert_yaxis()
    axes.set_title(title, loc="left")
    axes.set_xticks([])
    axes.margins(x=0.12)


@rc_context(STYLE)
def draw_pairs(axes: Axes, title: str, bins: Sequence[str], sides: Mapping[str, Sequence[float]]) -> None:
    """Draw the share of each bin in percent, a bar for each side beside the other."""
    width = 0.8 / max(len(sides), 1)
    for number, (name, shares) in enumerate(sides.items()):
        places = [place + number * width for place in range(len(bins))]
        axes.bar(places, [100 * share for share in shares], width, align="edge", color=COLOURS[number], label=name)
    axes.set_xticks([place + 0.4 for place in range(len(bins))], list(bins), rotation=30, ha="right")
    axes.set_title(title, loc="left")
    axes.set_ylabel("queries, %")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


@rc_context(STYLE)
def draw_chance(axes: Axes, title: str, by_chance: Sequence[float], found: float, label: str) -> None:
    """Draw a histogram of values that chance gives, and a line at the one that was found."""
    axes.hist(by_chance, bins=30, color=_GREY, label="windows divided at random")
    axes.axvline(found, color=COLOURS[1], label="these windows")
    axes.set_title(title, loc="left")
    axes.set(xlabel=label, ylabel="divisions")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


@rc_context(STYLE)
def as_svg(figure: Figure, description: str) -> str:
    """Return a figure as one `<svg>` element, for a file of its own or inside HTML; it suits light and dark pages."""
    content = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(content, format="svg", facecolor="none", metadata=nothing)
    text = content.getvalue().replace(INK, "currentColor")
    text = re.sub("font-family: [^;]*;", "font-family: sans-serif;", text[text.index("<svg") :])
    # A point's id holds its tooltip, already escaped.
    text = re.sub(rf"<g id=([\"']){_TIP}(.*?)\1>", r"<g><title>\2</title>", text)
    head = f'<svg class="chart" role="img" aria-label="{escape(description)}"'
    return text.replace("<svg", head, 1).replace("<defs>", f"<style>{_CSS}</style>\n <defs>", 1)


@rc_context(STYLE)
def as_png(figure: Figure) -> bytes:
    """Return a figure as PNG on a white background."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, facecolor="white")
    return content.getvalue()
