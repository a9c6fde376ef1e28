"""Write the report of a run as one HTML file without scripts, other files or network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from akin.charts import Line, as_svg, draw_lines, new_figure

_PERCENTILES = (("p50", "p50_ms"), ("p95", "p95_ms"), ("p99", "p99_ms"))
_STRETCH = {"users": "the last level of users", "rate": "the last sustained trial with its settling seconds"}


def render_report(results: Mapping[str, Any]) -> str:
    """Return the page for the content of `results.json`."""
    title = "Load test: users" if results["kind"] == "users" else "Load test: constant rate"
    body = [f"<h1>{title}</h1>", _headline(results), _notes(results)]
    body += _user_charts(results) if results["kind"] == "users" else _rate_charts(results)
    body += [
        "<h2>Kinds of requests</h2>",
        _summaries("request", [(kind, summary) for kind, summary in results["kinds"].items()]),
        _errors(results["errors"]),
        "<h2>Where the time goes</h2>",
        f"<p>From the service's own counters, over {_STRETCH[results['kind']]}. Percentiles are as precise as the "
        "histograms' buckets; means are exact.</p>",
        _timed("stage of a search", results["stages"]),
        _timed("route", results["routes"]),
        "<h2>Processes</h2>",
        _processes(results),
        "<h2>The whole run, second by second</h2>",
        _timeline(results["timeline"]),
        "<h2>Conditions of the measurement</h2>",
        _facts(results),
    ]
    style = files("loadtests").joinpath("report.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>\n{style}</style></head>\n'
        f"<body><main>\n{chr(10).join(body)}\n</main></body></html>\n"
    )


def _headline(results: Mapping[str, Any]) -> str:
    target = results["target"]
    over = f"over {target['papers']:,} papers ({escape(target['source'])})"
    if results["kind"] == "users":
        if not results["levels"]:
            return "<p class=headline>Interrupted before anything was measured.</p>"
        last = results["levels"][-1]
        return (
            f"<p class=headline><b>{last['users']:,} users</b>, scenario {escape(results['settings']['scenario'])}, "
            f"{over}: <b>{_number(last['per_second'])} answers/s</b>, p50 {_number(last['p50_ms'])} ms, "
            f"<b>p95 {_number(last['p95_ms'])} ms</b>, p99 {_number(last['p99_ms'])} ms, "
            f"<b>{last['errors']:,} errors</b> of {last['requests']:,} requests.</p>"
        )
    limit = _number(results["settings"]["limit_ms"])
    highest = results["highest"]
    if highest is None:
        return (
            f"<p class=headline>No rate with p95 of at most {limit} ms was found: {escape(results['why_ended'])}.</p>"
        )
    return (
        f"<p class=headline><b>{_number(highest['rate'])} requests/s</b> sustained for {_number(highest['seconds'])} s "
        f"with p95 of at most {limit} ms, {over}: p50 {_number(highest['p50_ms'])} ms, "
        f"<b>p95 {_number(highest['p95_ms'])} ms</b>, p99 {_number(highest['p99_ms'])} ms, no errors.</p>"
    )


def _notes(results: Mapping[str, Any]) -> str:
    notes = [
        "The load generator ran on the same machine and used the same cores (see the table of processes): with a "
        "machine of its own, the figures would be better, not worse."
        if results["processes_are_local"]
        else "The service's processes could not be observed from here."
    ]
    if results["kind"] == "rate":
        notes.append(
            "Requests were sent when they were due, whether or not earlier ones had been answered, and latency counts "
            "from that moment: it includes the time before a late request was sent."
        )
        notes.append(
            "Requests were equally spaced: users who know nothing of each other wait longer at the same rate."
            if results["settings"]["spacing"] == "equal"
            else "Requests came at random (a Poisson process), as from users who know nothing of each other: the rate "
            "is an average."
        )
    queries = results["queries"]
    if queries["repeated"]:
        notes.append(
            f"{queries['repeated']:,} of {queries['drawn']:,} texts were sent again, as there were no new ones: "
            "a cache could have answered them."
        )
    if results["interrupted"]:
        notes.insert(0, "The run was interrupted; these are the figures until then.")
    return "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


def _user_charts(results: Mapping[str, Any]) -> list[str]:
    levels = results["levels"]
    return [
        "<h2>Against the number of users</h2>",
        '<div class="charts">',
        _figure(
            "Throughput",
            _chart([Line("answers/s", [(each["users"], each["per_second"]) for each in levels])], "users", "answers/s"),
        ),
        _figure("Latency", _latencies(levels, "users", "users")),
        _figure(
            "Errors",
            _chart([Line("errors", [(each["users"], _percent(each)) for each in levels])], "users", "% of requests"),
        ),
        "</div>",
        _summaries("users", [(f"{each['users']:,}", each) for each in levels]),
    ]


def _rate_charts(results: Mapping[str, Any]) -> list[str]:
    trials = results["trials"]
    drawn = sorted((each for each in trials if not each["overloaded"]), key=lambda each: each["rate"])
    limit = results["settings"]["limit_ms"]
    rows = [
        [
            _number(each["rate"]),
            _number(each["per_second"]),
            *(_number(each[field]) for _, field in _PERCENTILES),
            f"{each['errors']:,}",
            _number(each["lag_p95_ms"]),
            ("fast" if each["fast"] else "overloaded, cut short" if each["overloaded"] else "too slow or failing")
            + (", sustained" if each["sustained"] else ""),
        ]
        for each in trials
    ]
    heads = ["requests/s", "answers/s", "p50 ms", "p95 ms", "p99 ms", "errors", "generator late, p95 ms", "outcome"]
    return [
        "<h2>Against the rate</h2>",
        '<div class="charts">',
        _figure("Latency (overloaded trials left out)", _latencies(drawn, "rate", "requests/s", limit)),
        "</div>",
        _table(heads, rows),
    ]


def _latencies(rows: Sequence[Mapping[str, Any]], x: str, label: str, limit: float | None = None) -> str:
    lines = [Line(name, [(each[x], each[field]) for each in rows]) for name, field in _PERCENTILES]
    return _chart(lines, label, "ms", limit=limit)


def _chart(lines: Sequence[Line], x_label: str, y_label: str, *, limit: float | None = None, dots: bool = True) -> str:
    if all(y is None for line in lines for _, y in line.points):
        return "<p>Nothing was measured that could be drawn.</p>"
    figure, (axes,) = new_figure(6.4, [2.9])
    draw_lines(axes, lines, x_label, y_label, limit=limit, dots=dots)
    axes.set(xlim=(0, None), ylim=(0, 1.05 * axes.get_ylim()[1]))
    return as_svg(figure, f"{y_label} against {x_label}")


def _timeline(moments: Sequence[Mapping[str, Any]]) -> str:
    rate = Line("requests/s", [(each["at"], each["per_second"]) for each in moments])
    errors = Line("errors/s", [(each["at"], each["errors"]) for each in moments])
    p95 = Line("p95", [(each["at"], each["p95_ms"]) for each in moments])
    return (
        '<div class="charts">'
        + _figure("Requests", _chart([rate, errors], "s", "a second", dots=False))
        + _figure("Latency", _chart([p95], "s", "ms", dots=False))
        + "</div>"
    )


def _summaries(what: str, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    return _table(
        [what, "requests", "answers/s", "p50 ms", "p95 ms", "p99 ms", "slowest ms", "errors", "% errors"],
        [
            [
                name,
                f"{each['requests']:,}",
                _number(each["per_second"]),
                *(_number(each[field]) for _, field in _PERCENTILES),
                _number(each["max_ms"]),
                f"{each['errors']:,}",
                _number(_percent(each)),
            ]
            for name, each in rows
        ],
    )


def _timed(what: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return f"<p>The service counted nothing by {what}.</p>"
    return _table(
        [what, "times", "mean ms", "p50 ms", "p95 ms"],
        [
            [each["label"], f"{each['count']:,}", *(_number(each[field]) for field in ("mean_ms", "p50_ms", "p95_ms"))]
            for each in rows
        ],
    )


def _processes(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    return _table(
        ["process", "pid", "cores, mean", "cores, most", "memory MB, mean", "memory MB, most"],
        [
            [each["name"], str(each["pid"] or "")]
            + [_number(each[field]) for field in ("cores_mean", "cores_most", "rss_mean_mb", "rss_most_mb")]
            for each in results["processes"]
        ],
    ) + (
        f"<p>During the final measurement, on {machine['cores']} cores. Memory is resident; pages that processes "
        "share are counted in each. The rest of the whole machine's use was other work, which slowed them.</p>"
    )


def _errors(errors: Sequence[Mapping[str, Any]]) -> str:
    if not errors:
        return "<p>No errors in the whole run.</p>"
    rows = [[f"{each['count']:,}", each["kind"], each["error"]] for each in errors]
    return "<h2>Errors of the whole run</h2>" + _table(["times", "request", "error"], rows)


def _facts(results: Mapping[str, Any]) -> str:
    facts = {
        **results["target"],
        **results["settings"],
        **{f"queries, {name}": value for name, value in results["queries"].items()},
        **results["machine"],
        "began": results["began"],
        "command": results["command"],
    }
    return _table(["", ""], [[name.replace("_", " "), _fact(value)] for name, value in facts.items()])


def _fact(value: object) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _figure(caption: str, drawing: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawing}</figure>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _percent(summary: Mapping[str, Any]) -> float:
    return 100 * summary["errors"] / summary["requests"] if summary["requests"] else 0.0


def _number(value: float | None) -> str:
    """Return a number with three significant digits; a dash for None."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
