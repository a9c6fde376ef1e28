"""Curves on two logarithmic axes, as SVG: recall against queries/s, and cost against size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 760, 420, 70, 50, 20, 250
_COLOURS = ("#1f6feb", "#d9730d", "#a626a4", "#1a7f37", "#cf222e", "#57606a", "#9a6700")

Points = Sequence[tuple[float, float]]


def plot(curves: Mapping[str, Points], x_label: str, y_label: str, *, log_x: bool = True) -> str:
    """Draws a line with dots for each curve.

    Args:
        curves: By name; y must be above 0, and x too where its axis is logarithmic.
        x_label: With its unit.
        y_label: With its unit.
        log_x: Whether the x axis is logarithmic, as the y axis always is.
    """
    points = [point for curve in curves.values() for point in curve]
    if not points:
        raise ValueError("there is nothing to draw")
    xs = [math.log10(x) if log_x else x for x, _ in points]
    ys = [math.log10(y) for _, y in points]
    low_x, high_x = min(xs), max(max(xs), min(xs) + 1e-6)
    low_y, high_y = math.floor(min(ys)), max(math.ceil(max(ys)), math.floor(min(ys)) + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = ((math.log10(x) if log_x else x) - low_x) / (high_x - low_x)
        up = (math.log10(y) - low_y) / (high_y - low_y)
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
    ]
    for power in range(low_y, high_y + 1):
        y = place(points[0][0], 10.0**power)[1]
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for x in sorted({x for x, _ in points} if log_x else {low_x, (low_x + high_x) / 2, high_x}):
        across = place(x, points[0][1])[0]
        parts.append(f'<text x="{across:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{_tick(x)}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        placed = [place(*point) for point in sorted(curve)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        at = _TOP + 16 * number + 8
        parts.append(f'<circle cx="{_WIDTH - _RIGHT + 14}" cy="{at}" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{_WIDTH - _RIGHT + 24}" y="{at + 4}">{escape(name)}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(
        f'<text transform="translate(16 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    return "".join(parts) + "</svg>\n"


def _tick(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:.3g}"
