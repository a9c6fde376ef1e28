"""Write a report as Markdown tables."""

from __future__ import annotations

from akin.relevance import METRICS
from training.evaluation.report import RETRIEVAL, EvaluationReport

DIGESTS = ("digest", "weights", "reranker")
"""Fields of descriptions that are shortened."""


def render(report: EvaluationReport) -> str:
    """Return the whole report: a section for each set, with a table of scores and a table of differences."""
    share = f"{report.settings['confidence']:.0%}"
    parts = [
        "# Evaluation",
        f"Compared with `{report.baseline}`. Intervals hold {share} of {report.settings['resamples']:,} paired "
        f"bootstrap resamples; a difference is **bold** if its interval does not hold zero. {report.created}, "
        f"{machine(report)}.",
        overview(report),
        systems(report),
    ]
    for name in report.whole_sets:
        parts += [heading(report, name), scores(report, name), differences(report, name), slices(report, name)]
    return "\n\n".join(part for part in parts if part) + "\n"


def overview(report: EvaluationReport) -> str:
    """Return one table of the service's search: a line for each set and encoder, a column for each way of searching.

    It has the metric that decides promotion. An arrow marks a difference to the baseline's search in the same way.
    """
    modes = list(dict.fromkeys(each["mode"] for each in report.systems.values() if "mode" in each))
    names = {(each["encoder"], each["mode"]): name for name, each in report.systems.items() if "encoder" in each}
    baseline = report.systems[report.baseline].get("encoder")
    sets = {name: each for name, each in report.sets.items() if each.kind == RETRIEVAL}
    if not names or not sets:
        return ""
    lines = ["| set | metric | encoder | " + " | ".join(modes) + " |", "| --- | --- | --- |" + " ---: |" * len(modes)]
    for name, found in sets.items():
        for encoder in report.encoders:
            cells = []
            for mode in modes:
                system = names.get((encoder, mode), mode)
                score = report.score(name, system, found.metric)
                against = report.difference(name, system, names.get((baseline, mode), ""), found.metric)
                mark = "" if against is None else " ▲" if against.low > 0 else " ▼" if against.high < 0 else ""
                cells.append(f"{score.mean:.4f}{mark}" if score else "–")
            lines.append(f"| {name} | {found.metric} | {encoder} | " + " | ".join(cells) + " |")
    signs = f"▲ and ▼: better and worse than `{baseline}` searched in the same way, beyond the interval." * bool(
        baseline
    )
    return "\n\n".join(part for part in ("## Search as it is served", "\n".join(lines), signs) if part)


def heading(report: EvaluationReport, name: str) -> str:
    """Return a set's heading and size."""
    found = report.sets[name]
    size = {
        "retrieval": f"{found.queries:,} queries for {found.passages:,} passages",
        "subject agreement": f"Nearest other papers of {found.queries:,} papers",
        "subject probe": f"Logistic regression on vectors of {found.passages:,} papers, tested on {found.queries:,}",
    }[found.kind]
    depth = f" Ranks to {found.depth:,} are measured." if found.depth else ""
    aimed = " Training aimed at this kind of search, so the set alone proves nothing." if found.aimed else ""
    return f"## {name}\n\n{size}.{depth}{aimed}"


def systems(report: EvaluationReport) -> str:
    """Return a table of the systems and their descriptions."""
    lines = ["| system | description |", "| --- | --- |"]
    for name, description in report.systems.items():
        parts = [
            f"{value}" if key in ("kind", "name") else f"{key} {str(value)[:12] if key in DIGESTS else value}"
            for key, value in description.items()
        ]
        lines.append(f"| {name} | {', '.join(parts)} |")
    return "\n".join(lines)


def scores(report: EvaluationReport, name: str) -> str:
    """Return a table of means with half the width of their intervals, one line for each system."""
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


def slices(report: EvaluationReport, name: str) -> str:
    """Return a table of the deciding metric on the slices of a set, one line for each slice; empty without slices."""
    found = {each: report.sets[each] for each in report.sets if each.startswith(f"{name}: ")}
    if not found:
        return ""
    lines = [
        f"| slice, {report.sets[name].metric} | queries | {' | '.join(report.systems)} |",
        "| --- | ---: |" + " ---: |" * len(report.systems),
    ]
    for part, size in found.items():
        measured = [report.score(part, system, size.metric) for system in report.systems]
        cells = [f"{score.mean:.4f}" if score else "–" for score in measured]
        lines.append(f"| {part.removeprefix(f'{name}: ')} | {size.queries:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def differences(report: EvaluationReport, name: str) -> str:
    """Return a table of differences with their intervals, one line for each pair; empty if there is no pair."""
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
    """Return the metrics of a set, the most important first."""
    present = list(dict.fromkeys(each.metric for each in report.scores if each.set == name))
    return [metric for metric in METRICS if metric in present] or present


def machine(report: EvaluationReport) -> str:
    """Return the class of machine in words."""
    return f"{report.machine.get('cores')} cores of {report.machine.get('cpu')}"
