"""Write the report of an overload as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadtests.soak_report import growth_table, table, where


def render_markdown(results: Mapping[str, Any]) -> str:
    """Return the report for the content of `results.json`."""
    figures, settings = results["figures"], results["settings"]
    recovered = figures["recovered"]
    lines = [
        "# Overload",
        "",
        f"**{'Holds' if results['holds'] else 'Does not hold'}**: {settings['times']:g} times the sustained rate for "
        f"{settings['duration_s']:g} s.",
        "",
        *[f"- {reason}" for reason in results["reasons"]],
        "",
        f"Requests `{settings['requests']}`, mode {settings['mode']}, at random (a Poisson process), {where(results)}.",
        "",
        f"    {results['command']}",
        "",
        *table(
            ["", "requests/s", "good answers/s", "p50 ms", "p95 ms", "not answered well"],
            [
                ["sustained", f"{figures['rate']:.1f}", "", "", f"at most {settings['limit_ms']:g}", "0"],
                ["the peak of all rates tried", "", f"{figures['peak']:.1f}", "", "", ""],
                _row("half of the sustained rate, before", figures["calm"], results["phases"]["calm"]),
                _row("overload, all", figures["overload"], results["phases"]["overload"]),
                _row("overload, good answers", results["good"], results["phases"]["overload"]),
                _row("overload, refused or failed", results["refused"], results["phases"]["overload"]),
            ],
        ),
        "",
        f"Goodput {figures['goodput']:.0%} of the peak; recovered "
        f"{'never' if recovered is None else f'within {recovered + 1:.0f} s'} after the end (all answered, p95 of each "
        f"second at most {settings['limit_ms']:g} ms).",
        "",
        *[f"- {each['count']:,} times {each['kind']}: {each['error']}" for each in results["errors"]],
        "",
        "## Growth during the overload",
        "",
        *growth_table(results["growth"]),
        "",
    ]
    return "\n".join(lines)


def _row(name: str, summary: Mapping[str, Any], phase: tuple[float, float]) -> list[str]:
    seconds = max(0.001, phase[1] - phase[0])
    times = (f"{summary[each]:.1f}" if summary[each] is not None else "" for each in ("p50_ms", "p95_ms"))
    return [
        name,
        f"{summary['requests'] / seconds:.1f}",
        f"{summary['per_second']:.1f}",
        *times,
        f"{summary['errors']:,}",
    ]
