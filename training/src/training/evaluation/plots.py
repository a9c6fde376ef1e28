"""A report as plots: what each system reaches on each set, and how far it is from the baseline."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from storage.durable import replace_file
from training.evaluation.report import PRIMARY, EvaluationReport


def draw(report: EvaluationReport, folder: Path) -> None:
    """Writes `scores.png` and `differences.png`.

    Raises:
        OSError: They cannot be written.
    """
    for name, figure in (("scores", scores(report)), ("differences", differences(report))):
        save(figure, folder / f"{name}.png")


def scores(report: EvaluationReport) -> Figure:
    """Bars with intervals: a group a set, a bar a system, by the set's first measure."""
    shown = {name: first_metric(report, name) for name in report.sets}
    figure = Figure(figsize=(2 + 1.6 * len(shown), 4), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(report.systems)
    for index, system in enumerate(report.systems):
        found = [report.score(name, system, metric) for name, metric in shown.items()]
        places = [position + width * (index + 0.5) - 0.4 for position, score in enumerate(found) if score]
        there = [score for score in found if score]
        spread = [[score.mean - score.low for score in there], [score.high - score.mean for score in there]]
        axes.bar(places, [score.mean for score in there], width, yerr=spread, capsize=2, label=system)
    axes.set_xticks(range(len(shown)), [f"{name}\n{metric}" for name, metric in shown.items()])
    axes.legend(fontsize="small")
    axes.grid(axis="y", alpha=0.3)
    return figure


def differences(report: EvaluationReport) -> Figure:
    """Points with intervals: how far each system is from the one it is compared with, around a line at zero."""
    rows = [
        each for name in report.sets for each in report.differences
        if each.set == name and each.metric == first_metric(report, name)
    ]  # fmt: skip
    figure = Figure(figsize=(7, 1.2 + 0.28 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, each in enumerate(reversed(rows)):
        colour = "tab:green" if each.low > 0 else "tab:red" if each.high < 0 else "tab:gray"
        # An interval of a skewed statistic need not hold the observed difference: no bar of negative length.
        spread = [[max(0, each.difference - each.low)], [max(0, each.high - each.difference)]]
        axes.errorbar([each.difference], [place], xerr=spread, fmt="o", capsize=3, color=colour)
    labels = [f"{each.set}: {each.system} – {each.against}" for each in reversed(rows)]
    axes.set_yticks(range(len(rows)), labels, fontsize="small")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"difference, {PRIMARY} where the set is of retrieval")
    axes.grid(axis="x", alpha=0.3)
    return figure


def first_metric(report: EvaluationReport, name: str) -> str:
    """The deciding measure where the set has it, else the set's first."""
    there = [each.metric for each in report.scores if each.set == name]
    return PRIMARY if PRIMARY in there else there[0]


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG; without pyplot, which would look for a screen and keep every figure."""
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(content, format="png", dpi=120)
    replace_file(path, content.getvalue())
