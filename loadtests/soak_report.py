"""Write the report of a soak as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loadtests.growth import COUNT, COUNT_SHARE, MEMORY_BYTES, MEMORY_SHARE, WARM_UP_SHARE


def render_markdown(results: Mapping[str, Any]) -> str:
    """Return the report for the content of `results.json`."""
    total = results["all"]
    lines = [
        "# Soak",
        "",
        f"**{'Holds' if results['holds'] else 'Does not hold'}**: {total['requests']:,} requests in "
        f"{results['seconds'] / 60:.1f} minutes, {total['errors']:,} failed, {len(results['swaps'])} hot swaps"
        f"{', interrupted' if results['interrupted'] else ''}.",
        "",
        *[f"- {reason}" for reason in results["reasons"]],
        "" if results["reasons"] else None,
        f"{results['settings']['rate']:g} requests a second at random (a Poisson process), {where(results)}.",
        "",
        f"    {results['command']}",
        "",
        "## Growth",
        "",
        f"By the slope of Theil and Sen, without the first {WARM_UP_SHARE:.0%} of the run. Tolerated over the rest: "
        f"{MEMORY_SHARE:.0%} of the median memory, at least {MEMORY_BYTES / 1e6:g} MB; {COUNT_SHARE:.0%} of "
        f"descriptors and threads, at least {COUNT}.",
        "",
        *growth_table(results["growth"]),
        "",
        "## Requests",
        "",
        *table(
            ["kind", "requests", "p50 ms", "p95 ms", "slowest ms", "failed"],
            [
                [kind, f"{each['requests']:,}", *(f"{each[name] or 0:.1f}" for name in ("p50_ms", "p95_ms", "max_ms")),
                 f"{each['errors']:,}"]
                for kind, each in results["kinds"].items()
            ],
        ),
        "",
        *[f"- {each['count']:,} times {each['kind']}: {each['error']}" for each in results["errors"]],
        "" if results["errors"] else None,
        "## Hot swaps",
        "",
        *table(
            ["at, s", "change", "seconds", "error"],
            [[f"{each['at']:.0f}", each["name"], f"{each['seconds']:.1f}", each["error"]] for each in results["swaps"]],
        ),
        "",
    ]  # fmt: skip
    return "\n".join(line for line in lines if line is not None)


def where(results: Mapping[str, Any]) -> str:
    """Return what was searched, and on which machine."""
    target, machine = results["target"], results["machine"]
    return (
        f"over {target['papers']:,} papers ({target['source']}); {machine['cores']} cores ({machine['processor']}), "
        "which the load generator shares"
    )


def growth_table(grown: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table of how processes grew."""
    return table(
        ["process", "", "median", "most", "grown by", "tolerated", ""],
        [
            [
                each["process"],
                "memory, MB" if each["quantity"] == "memory" else each["quantity"],
                *(_figure(each, name) for name in ("median", "most", "grown", "allowed")),
                "holds" if each["is_within"] else "**grows**",
            ]
            for each in grown
        ],
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    return [
        f"| {' | '.join(heads)} |",
        "|" + " --- |" * len(heads),
        *(f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in row)} |" for row in rows),
    ]


def _figure(growth: Mapping[str, Any], name: str) -> str:
    value = growth[name]
    return f"{value / 1e6:,.1f}" if growth["quantity"] == "memory" else f"{value:,.1f}"
