"""A report as Markdown tables."""

from __future__ import annotations

from relevance import METRICS
from training.evaluation.report import EvaluationReport


def render(report: EvaluationReport) -> str:
    """The whole report: a section a set, a line a system; then the differences by the deciding measures."""
    share = f"{report.settings['confidence']:.0%}"
    parts = [
        "# Evaluation",
        f"Compared with `{report.baseline}`. Intervals hold {share} of {report.settings['resamples']:,} paired "
        f"bootstrap resamples; **bold** differences lie beyond them. {report.created}, {machine(report)}.",
        systems(report),
    ]
    for name in report.sets:
        parts += [heading(report, name), scores(report, name), differences(report, name)]
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(report: EvaluationReport, name: str) -> str:
    """A set's heading and size."""
    found = report.sets[name]
    what = {
        "retrieval": f"{found.queries:,} queries for {found.passages:,} passages",
        "subject agreement": f"the nearest others of {found.queries:,} papers",
        "subject probe": f"a logistic regression on {found.passages:,} papers' vectors, tested on {found.queries:,}",
    }[found.kind]
    return f"## {name}\n\nOf {what}."


def systems(report: EvaluationReport) -> str:
    """What each system is."""
    lines = ["| system | what |", "| --- | --- |"]
    for name, description in report.systems.items():
        told = [
            f"{value}" if key in ("kind", "name") else f"{key} {str(value)[:12]}" for key, value in description.items()
        ]
        lines.append(f"| {name} | {', '.join(told)} |")
    return "\n".join(lines)


def scores(report: EvaluationReport, name: str) -> str:
    """Means with half the width of their intervals, a line a system."""
    metrics = metrics_of(report, name)
    lines = ["| system | " + " | ".join(metrics) + " |", "| --- |" + " ---: |" * len(metrics)]
    for system in report.systems:
        cells = []
        for metric in metrics:
            score = report.score(name, system, metric)
            cells.append(f"{score.mean:.4f} ±{(score.high - score.low) / 2:.3f}" if score else "–")
        if any(cell != "–" for cell in cells):
            lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def differences(report: EvaluationReport, name: str) -> str:
    """Differences with their intervals, a line a pair."""
    metrics = metrics_of(report, name)
    pairs = list(dict.fromkeys((each.system, each.against) for each in report.differences if each.set == name))
    if not pairs:
        return ""
    lines = ["| difference | " + " | ".join(metrics) + " |", "| --- |" + " ---: |" * len(metrics)]
    for system, against in pairs:
        cells = []
        for metric in metrics:
            found = report.difference(name, system, against, metric)
            if found is None:
                cells.append("–")
                continue
            mark = "**" if found.low > 0 or found.high < 0 else ""
            cells.append(f"{mark}{found.difference:+.4f}{mark} [{found.low:+.4f}, {found.high:+.4f}]")
        lines.append(f"| {system} – {against} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def metrics_of(report: EvaluationReport, name: str) -> list[str]:
    """The metrics of a set, those that matter most first."""
    there = list(dict.fromkeys(each.metric for each in report.scores if each.set == name))
    return [metric for metric in METRICS if metric in there] or there


def machine(report: EvaluationReport) -> str:
    """The class of machine in words."""
    return f"{report.machine.get('cores')} cores of {report.machine.get('cpu')}"
