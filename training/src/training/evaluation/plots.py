"""Draw a report: the score of each system on each set, and its difference to the baseline."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from akin.charts import COLOURS, INK, as_png, new_figure
from akin.storage.durable import replace_file
from training.evaluation.report import EvaluationReport


def draw(report: EvaluationReport, folder: Path) -> None:
    """Write `scores.png` and `differences.png`.

    Raises:
        OSError: A file cannot be written.
    """
    for name, figure in (("scores", scores(report)), ("differences", differences(report))):
        save(figure, folder / f"{name}.png")


def scores(report: EvaluationReport) -> Figure:
    """Return a bar chart with intervals: a group for each set, a bar for each system, by the set's first metric."""
    shown = {name: first_metric(report, name) for name in report.whole_sets}
    figure, (axes,) = new_figure(2 + 1.6 * len(shown), [4])
    width = 0.8 / len(report.systems)
    for index, system in enumerate(report.systems):
        found = [report.score(name, system, metric) for name, metric in shown.items()]
        places = [position + width * (index + 0.5) - 0.4 for position, score in enumerate(found) if score]
        measured = [score for score in found if score]
        spread = [[score.mean - score.low for score in measured], [score.high - score.mean for score in measured]]
        axes.bar(places, [score.mean for score in measured], width, yerr=spread, capsize=2, label=system)
    axes.set_xticks(range(len(shown)), [f"{name}\n{metric}" for name, metric in shown.items()])
    axes.legend(fontsize="small")
    axes.grid(axis="y", alpha=0.3)
    return figure


def differences(report: EvaluationReport) -> Figure:
    """Return a chart of differences with intervals, one point for each pair and set, around a line at zero."""
    rows = [
        each for name in report.whole_sets for each in report.differences
        if each.set == name and each.metric == first_metric(report, name)
    ]  # fmt: skip
    figure, (axes,) = new_figure(7, [1.2 + 0.28 * len(rows)])
    for place, each in enumerate(reversed(rows)):
        colour = COLOURS[2] if each.low > 0 else COLOURS[1] if each.high < 0 else INK
        # The interval of a skewed statistic may not hold the difference itself; bars must not be negative.
        spread = [[max(0, each.difference - each.low)], [max(0, each.high - each.difference)]]
        axes.errorbar([each.difference], [place], xerr=spread, fmt="o", capsize=3, color=colour)
    labels = [f"{each.set}: {each.system} – {each.against}" for each in reversed(rows)]
    axes.set_yticks(range(len(rows)), labels, fontsize="small")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("difference in the metric that decides promotion")
    axes.grid(axis="x", alpha=0.3)
    return figure


def first_metric(report: EvaluationReport, name: str) -> str:
    """Return the metric that decides promotion if the set has it, otherwise the set's first metric."""
    present = [each.metric for each in report.scores if each.set == name]
    return deciding if (deciding := report.sets[name].metric) in present else present[0]


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG.

    Raises:
        OSError: The file cannot be written.
    """
    replace_file(path, as_png(figure))
