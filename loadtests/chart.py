"""Line charts as SVG, drawn by hand: a report is one file, and needs no plotting library and no script."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_Placing = Callable[[float, float], tuple[float, float]]

_WIDTH, _HEIGHT = 640, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 16, 42
_COLOURS = ("#1f6feb", "#d9730d", "#a626a4", "#1a7f37")
_DASHES = ("", "6 3", "2 3", "8 3 2 3")


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: For the legend.
        points: x and y; where y is None the line is broken.
    """

    name: str
    points: Sequence[tuple[float, float | None]]


def chart(lines: Sequence[Line], x_label: str, y_label: str, *, limit: float | None = None, dots: bool = True) -> str:
    """Draws lines over a common x axis; both axes begin at 0.

    Args:
        lines: At most four.
        x_label: With its unit.
        y_label: With its unit.
        limit: Where a horizontal line marks what is to be kept.
        dots: Whether each point gets a dot, with its figures as a tooltip.
    """
    xs = [x for line in lines for x, y in line.points if y is not None]
    ys = [y for line in lines for _, y in line.points if y is not None]
    if not xs:
        return "<p>Nothing was measured that could be drawn.</p>"
    x_ticks, y_ticks = ticks(max(xs)), ticks(max([*ys, limit or 0.0]))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / x_ticks[-1],
            _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * y / y_ticks[-1],
        )

    name = f"{escape(y_label)} against {escape(x_label)}"
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 18}" role="img" aria-label="{name}">']
    for tick in y_ticks:
        x, y = place(0, tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        x, y = place(tick, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{tick:g}</text>')
    parts.append(
        f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
    )
    turned = f"translate(12 {_HEIGHT / 2 - 10:.0f}) rotate(-90)"
    parts.append(f'<text transform="{turned}" text-anchor="middle">{escape(y_label)}</text>')
    if limit is not None:
        parts.append(f'<path class="limit" d="M{_LEFT} {place(0, limit)[1]:.1f}H{_WIDTH - _RIGHT}"/>')
    for number, line in enumerate(lines):
        parts.extend(_drawn(line, number, place, dots))
    return "\n".join([*parts, "</svg>"])


def ticks(largest: float) -> list[float]:
    """Four to ten round numbers from 0 to at least `largest`."""
    if largest <= 0 or not math.isfinite(largest):
        return [0.0, 1.0]
    magnitude = 10.0 ** math.floor(math.log10(largest))
    step = next(magnitude * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if largest / (magnitude * part) <= 8)
    return [step * number for number in range(math.ceil(largest / step - 1e-9) + 1)]


def _drawn(line: Line, number: int, place: _Placing, dots: bool) -> list[str]:
    colour, dash = _COLOURS[number % 4], _DASHES[number % 4]
    path, pen = [], "M"
    parts = []
    for x, y in line.points:
        if y is None:
            pen = "M"
            continue
        left, top = place(x, y)
        path.append(f"{pen}{left:.1f} {top:.1f}")
        pen = "L"
        if dots:
            tip = f"<title>{escape(line.name)}: {y:,.4g} at {x:,.4g}</title>"
            parts.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3.5" fill="{colour}">{tip}</circle>')
    stroke = f'stroke="{colour}" stroke-dasharray="{dash}"' if dash else f'stroke="{colour}"'
    left = _LEFT + 150 * number
    return [
        f'<path class="line" {stroke} d="{"".join(path)}"/>',
        *parts,
        f'<path class="line" {stroke} d="M{left} {_HEIGHT + 9}h22"/>',
        f'<text x="{left + 28}" y="{_HEIGHT + 13}">{escape(line.name)}</text>',
    ]
