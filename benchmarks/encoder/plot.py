"""One picture of the run: bars of throughput in bulk, and lines of throughput over clients. SVG without a library."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.report import Row

_WIDTH, _LEFT, _BAR, _GAP = 860, 270, 15, 4
_COLOURS = ("#1f6feb", "#d9730d", "#a626a4", "#1a7f37", "#8a8f98")
_KINDS = ("abstracts", "titles", "queries")


def draw(rows: Sequence[Row]) -> str:
    """The picture as text; a part that was not measured is left out."""
    parts: list[str] = []
    height = bars(rows, parts, 24)
    height = lines(rows, parts, height + 24)
    style = "text{font:12px system-ui,sans-serif;fill:#24292f} .title{font-weight:600} .axis{stroke:#d0d7de}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height + 16}" role="img">'
        f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def bars(rows: Sequence[Row], parts: list[str], top: int) -> int:
    """Texts a second in bulk, one group of bars for each kind of text; returns where they end."""
    for kind in _KINDS:
        found = [row for row in rows if row.metric == "texts/s, bulk" and row.dataset == kind]
        if not found:
            continue
        parts.append(f'<text class="title" x="8" y="{top}">{kind}: texts a second in bulk</text>')
        largest = max(row.value for row in found)
        top += 8
        for row in sorted(found, key=lambda each: -each.value):
            width = (_WIDTH - _LEFT - 80) * row.value / largest
            colour = _COLOURS[0] if row.system.startswith("ours") else _COLOURS[4]
            parts.append(f'<text x="{_LEFT - 8}" y="{top + 12}" text-anchor="end">{escape(row.system)}</text>')
            parts.append(f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
            parts.append(f'<text x="{_LEFT + width + 6:.1f}" y="{top + 12}">{row.value:,.0f}</text>')
            top += _BAR + _GAP
        top += 24
    return top


def lines(rows: Sequence[Row], parts: list[str], top: int) -> int:
    """Single texts a second over the number of clients, which doubles from mark to mark; returns where it ends."""
    points: dict[str, dict[int, float]] = {}
    for row in rows:
        if row.metric == "texts/s, single texts" and row.dataset.startswith("queries, "):
            points.setdefault(row.system, {})[int(row.dataset.split()[1])] = row.value
    if not points:
        return top
    height = 260
    counts = sorted({count for found in points.values() for count in found})
    largest = max(value for found in points.values() for value in found.values())
    parts.append(f'<text class="title" x="8" y="{top}">queries: single texts a second by clients at once</text>')
    base = top + 16 + height
    place = {count: _LEFT + (_WIDTH - _LEFT - 80) * at / max(1, len(counts) - 1) for at, count in enumerate(counts)}
    parts.append(f'<path class="axis" fill="none" d="M{_LEFT} {top + 16}V{base}H{_WIDTH - 40}"/>')
    for count, x in place.items():
        parts.append(f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{count}</text>')
    for share in (0.5, 1.0):
        y = base - height * share
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{largest * share:,.0f}</text>')
    for number, (system, found) in enumerate(points.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = "L".join(f"{place[count]:.1f} {base - height * found[count] / largest:.1f}" for count in sorted(found))
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = top + 30 + 18 * number
        parts.append(f'<rect x="8" y="{y - 9}" width="14" height="4" fill="{colour}"/>')
        parts.append(f'<text x="28" y="{y - 2}">{escape(system)}</text>')
    return base + 28
