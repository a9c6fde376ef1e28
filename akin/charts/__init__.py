"""Draw charts with matplotlib, in one style, as SVG or PNG.

Importing this package needs matplotlib (the extra `plots`).
"""

from __future__ import annotations

from akin.charts.figures import (
    COLOURS,
    INK,
    Line,
    as_png,
    as_svg,
    draw_bars,
    draw_chance,
    draw_lines,
    draw_pairs,
    new_figure,
)

__all__ = [
    "COLOURS",
    "INK",
    "Line",
    "as_png",
    "as_svg",
    "draw_bars",
    "draw_chance",
    "draw_lines",
    "draw_pairs",
    "new_figure",
]
