"""The curves that `akin index tune` measured, as an SVG: recall against time, a line for each way to search."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from html import escape

from retrieval_service.corpus.manifest import CurvePoint

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 270, 24, 48
_COLOURS = ("#1f6feb", "#d9730d", "#a626a4", "#1a7f37", "#b3261e", "#57606a")


def recall_chart(points: Sequence[CurvePoint], chosen: CurvePoint, recall: float) -> str:
    """Draws recall@10 over milliseconds a query, on a logarithmic axis.

    Args:
        points: what was measured; each with its recipe.
        chosen: the point that serves, which gets a ring.
        recall: the target, which gets a line.
    """
    lines: defaultdict[str, list[CurvePoint]] = defaultdict(list)
    for point in points:
        refined = f", k_factor {point.k_factor:g}" if "Refine" in point.recipe else ""
        lines[f"{point.recipe}{refined}"].append(point)
    low = math.floor(min([recall, *(point.recall_at_10 for point in points)]) * 10) / 10
    low = min(max(low, 0.5), 0.9)
    times = [math.log10(max(point.ms, 1e-3)) for point in points]
    first, last = math.floor(min(times)), math.ceil(max(times) + 1e-9)

    def x(ms: float) -> float:
        share = (math.log10(max(ms, 1e-3)) - first) / max(last - first, 1)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (max(value, low) - low) / (1 - low)

    right = _WIDTH - _RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-family="sans-serif" '
        'font-size="12" aria-label="recall@10 against milliseconds for a query">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for tick in (low + (1 - low) * step / 5 for step in range(6)):
        parts.append(f'<path stroke="#d0d7de" d="M{_LEFT} {y(tick):.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.2f}</text>')
    for power in range(first, last + 1):
        parts.append(f'<path stroke="#d0d7de" d="M{x(10.0**power):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(
            f'<text x="{x(10.0**power):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{10.0**power:g}</text>'
        )
    parts.append(
        f'<text x="{(_LEFT + right) / 2:.0f}" y="{_HEIGHT - 10}" text-anchor="middle">ms a query, one thread</text>'
    )
    parts.append(f'<text transform="translate(16 {_HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle">recall@10</text>')
    parts.append(f'<path stroke="#b3261e" stroke-dasharray="5 4" d="M{_LEFT} {y(recall):.1f}H{right}"/>')
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        dash = f' stroke-dasharray="{2 + number // len(_COLOURS) * 3} 3"' if number >= len(_COLOURS) else ""
        path = " ".join(f"{x(point.ms):.1f},{y(point.recall_at_10):.1f}" for point in line)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6"{dash} points="{path}"/>')
        for point in line:
            tip = (
                f"{name}, nprobe {point.nprobe}: {point.recall_at_10:.3f} in {point.ms:.2f} ms, {point.memory_mb:g} MB"
            )
            parts.append(
                f'<circle cx="{x(point.ms):.1f}" cy="{y(point.recall_at_10):.1f}" r="3" fill="{colour}">'
                f"<title>{escape(tip)}</title></circle>"
            )
        top = _TOP + 18 * number
        parts.append(f'<path stroke="{colour}" stroke-width="1.6"{dash} d="M{right + 14} {top}h22"/>')
        parts.append(f'<text x="{right + 42}" y="{top + 4}">{escape(name)}</text>')
    parts.append(
        f'<circle cx="{x(chosen.ms):.1f}" cy="{y(chosen.recall_at_10):.1f}" r="7" fill="none" stroke="black"/>'
    )
    return "\n".join([*parts, "</svg>\n"])
