"""Compare the figures of one run with the targets: ratios between systems, and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report import Row

_TORCH = "sentence-transformers torch FP32"
_GRPC = "ours, Triton gRPC"
_CLIENTS = "queries, 32 clients"


@dataclass(frozen=True)
class TargetResult:
    """One target and its measurement.

    Attributes:
        what: The name of the figure.
        value: The measurement.
        target: The bound.
        at_least: True if the bound is a minimum, False if it is a maximum.
    """

    what: str
    value: float
    target: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """True if the measurement keeps the bound."""
        return self.value >= self.target if self.at_least else self.value <= self.target


def compare_with_targets(rows: Sequence[Row]) -> list[TargetResult]:
    """Return the result of every target whose figures are among the rows."""
    cells = {(row.system, row.dataset, row.metric): row.value for row in rows}
    found: list[TargetResult] = []

    def ratio(what: str, ours: tuple[str, str, str], theirs: tuple[str, str, str], target: float, least: bool) -> None:
        if ours in cells and theirs in cells:
            found.append(TargetResult(what, cells[ours] / cells[theirs], target, least))

    rate, single = "texts/s, bulk", "texts/s, single texts"
    for kind, target in (("abstracts", 4.5), ("titles", 8.0), ("queries", 8.0)):
        what = f"gRPC in bulk, {kind}: times sentence-transformers torch"
        ratio(what, (_GRPC, kind, rate), (_TORCH, kind, rate), target, True)
    ours = (_GRPC, _CLIENTS, single)
    ratio("gRPC, 32 clients: times infinity torch", ours, ("infinity torch, HTTP", _CLIENTS, single), 12.0, True)
    engines = {
        row.system: row.value
        for row in rows
        if row.system.startswith("infinity") and row.dataset == _CLIENTS and row.metric == single
    }
    if engines:
        fastest = max(engines, key=engines.__getitem__)
        ratio(f"gRPC, 32 clients: times {fastest}, its fastest", ours, (fastest, _CLIENTS, single), 2.5, True)
    inside = ("ours, in-process", "queries", rate)
    ratio("gRPC, 32 clients: share of ours in-process (batch of 32)", ours, inside, 0.6, True)
    p50 = "queries, alone", "p50"
    ratio("one query, gRPC: p50 of sentence-transformers torch's", (_GRPC, *p50), (_TORCH, *p50), 0.25, False)
    found += [
        TargetResult(f"{row.metric}, {row.system}, {row.dataset}", row.value, least)
        for metric, least in (("mean cosine to FP32", 0.997), ("least cosine alone to batched", 0.9999))
        for row in rows
        if row.metric == metric and row.system.startswith("ours")
    ]
    found += [
        TargetResult("texts in an execution, 32 clients, mixed lengths", row.value, 8.0)
        for row in rows
        if row.metric == "texts an execution"
    ]
    return found


def results_table(results: Sequence[TargetResult]) -> str:
    """Return the results as a Markdown table."""
    text = ["| target | wanted | measured | |", "| --- | ---: | ---: | --- |"]
    for each in results:
        sign = "≥" if each.at_least else "≤"
        text.append(f"| {each.what} | {sign} {each.target:g} | {each.value:.6g} | {'met' if each.met else 'missed'} |")
    return "\n".join(text) + "\n"
