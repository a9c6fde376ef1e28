"""Write a report of drift as one HTML file with its plots, and as JSON for programs and for the service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import msgspec

from akin.charts import as_svg, draw_chance, draw_pairs, new_figure
from akin.drift.results import DriftReport, WindowSummary
from akin.storage.durable import replace_file

JSON, HTML = "report.json", "report.html"
_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } th, td { text-align: left; padding: .2rem .8rem .2rem 0 }
td.n { text-align: right; font-variant-numeric: tabular-nums } svg { max-width: 100%; height: auto }
"""


def write_report(report: DriftReport, folder: Path) -> None:
    """Write `report.json` and `report.html`, each in one step.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / HTML, page(report).encode())
    replace_file(folder / JSON, msgspec.json.format(msgspec.json.encode(report)))


def page(report: DriftReport) -> str:
    """Return the HTML page of a report; it needs no other file and runs no script."""
    title = "The queries have drifted" if report.drift else "No drift was found"
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{escape(report.current.name)} compared with {escape(report.reference.name)}, {report.created}. "
        f"Windows of the same queries are called different with a probability of at most {report.level:.0%}.</p>",
        _list(report.reasons),
        _table(("window", *WINDOW_COLUMNS), (window_row(each) for each in (report.reference, report.current))),
        _table(("test", "value", "p or limit", "differs"), rows_of_tests(report)),
        _list(report.notes),
    ]
    if report.mmd is not None:
        figure, [axes] = new_figure(9, [3])
        draw_chance(axes, "Vectors of the queries", report.mmd.shuffled, report.mmd.value, "MMD²")
        parts.append(as_svg(figure, "MMD² of the two windows, and of random divisions of them"))
    for each in report.features:
        if each.psi is not None:
            figure, [axes] = new_figure(9, [3])
            sides = {"reference": each.reference, "current": each.current}
            draw_pairs(axes, f"{each.name}: PSI {each.psi:.2f}", each.bins, sides)
            parts.append(as_svg(figure, f"Share of the queries by {each.name} in both windows"))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</html>\n"
    )


WINDOW_COLUMNS = ("queries", "vectors", "tokens", "top score", "unknown terms", "without results")


def window_row(window: WindowSummary) -> tuple[str, ...]:
    """Return name and figures of a window as texts."""
    return (
        window.name,
        *(f"{window.queries:,}", f"{window.compared:,}", _number(window.mean_tokens, ".1f")),
        *(_number(window.mean_top_score, ".3f"), _number(window.mean_unknown, ".1%"), f"{window.without_results:.1%}"),
    )


def rows_of_tests(report: DriftReport) -> list[tuple[str, ...]]:
    """Return a row of texts for each test: its value, its p value or limit, and whether the windows differ."""
    rows: list[tuple[str, ...]] = []
    if report.mmd is not None and report.classifier is not None:
        mmd, classifier = report.mmd, report.classifier
        rows.append(("vectors: MMD²", f"{mmd.value:.4f}", f"p = {mmd.p:.3g}", _yes(mmd.p <= report.level / 4)))
        differs = classifier.p <= report.level / 4
        rows.append(("vectors: classifier, AUC", f"{classifier.auc:.3f}", f"p = {classifier.p:.2g}", _yes(differs)))
    for each in report.features:
        rows.append((f"{each.name}: PSI", _number(each.psi, ".3f"), _number(each.limit, ".3f"), _yes(each.shifted)))
    return rows


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>" if lines else ""


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=n' if place else ''}>{escape(cell)}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
