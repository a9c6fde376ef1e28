"""Plot one run: throughput in bulk as bars, throughput against the number of clients as lines."""

from __future__ import annotations

from collections.abc import Sequence

from akin.charts import Line, as_svg, draw_bars, draw_lines, new_figure
from benchmarks.report import Row

_KINDS = ("abstracts", "titles", "queries")


def plot_run(rows: Sequence[Row]) -> str:
    """Return the plot as SVG; parts that were not measured are left out."""
    bars = {kind: values for kind in _KINDS if (values := _bulk(rows, kind))}
    lines = _by_clients(rows)
    heights = [0.6 + 0.25 * len(values) for values in bars.values()] + [3.6] * bool(lines)
    figure, axes = new_figure(9, heights or [1.0])
    for place, (kind, values) in zip(axes, bars.items(), strict=False):
        draw_bars(
            place, f"{kind}: texts a second in bulk", values, [name for name in values if name.startswith("ours")]
        )
    if lines:
        title = "queries: single texts a second by clients at once"
        draw_lines(axes[-1], lines, "clients", "texts a second", title=title, log_x=True)
        counts = sorted({x for line in lines for x, _ in line.points})
        axes[-1].set_xticks(counts, [f"{count:g}" for count in counts])
        axes[-1].minorticks_off()
        axes[-1].set_ylim(bottom=0)
    return as_svg(figure, "throughput of each system, in bulk and against the number of clients")


def _bulk(rows: Sequence[Row], kind: str) -> dict[str, float]:
    found = {row.system: row.value for row in rows if (row.metric, row.dataset) == ("texts/s, bulk", kind)}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _by_clients(rows: Sequence[Row]) -> list[Line]:
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.metric == "texts/s, single texts" and row.dataset.startswith("queries, "):
            points.setdefault(row.system, []).append((int(row.dataset.split()[1]), row.value))
    return [Line(system, sorted(found)) for system, found in points.items()]
