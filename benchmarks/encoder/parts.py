"""The parts of the measurement: each a table of cells, its systems interleaved round by round, its figures medians."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from akin.registry.versions import MODEL
from akin.stack import local_http, triton_key
from benchmarks.encoder.systems import CellResult, EmbeddingServer, EmbeddingSystem
from benchmarks.encoder.texts import Supply
from benchmarks.report import Row

_BULK = 32


@dataclass(frozen=True)
class Effort:
    """How long is measured.

    Attributes:
        rounds: How often each cell is measured; the median counts.
        seconds: Of each cell, about.
    """

    rounds: int
    seconds: float


Cell = Callable[[EmbeddingSystem, Sequence[str]], CellResult]


def bulk(systems: Sequence[EmbeddingSystem], supply: Supply, effort: Effort) -> list[Row]:
    """Texts a second and CPU a text, 32 texts at a time (served: four such requests under way)."""
    rows = []
    for kind in ("abstracts", "titles", "queries"):
        found = interleave(systems, supply, kind, effort, lambda system, texts: system.together(texts, _BULK), _BULK)
        for system, cells in found.items():
            rows += throughput(system, kind, cells, "bulk")
    return rows


def batches(systems: Sequence[EmbeddingSystem], supply: Supply, effort: Effort) -> list[Row]:
    """Texts a second by texts in a batch."""
    rows = []
    for kind, sizes in (("abstracts", (8,)), ("queries", (1, 8, 64))):
        for size in sizes:

            def cell(system: EmbeddingSystem, texts: Sequence[str], size: int = size) -> CellResult:
                return system.together(texts, size)

            for system, cells in interleave(systems, supply, kind, effort, cell, size).items():
                rows.append(Row(system, kind, f"texts/s, batch {size}", median_rate(cells), "/s"))
    return rows


def clients(systems: Sequence[EmbeddingSystem], supply: Supply, effort: Effort) -> list[Row]:
    """Single texts by 1 to 64 clients at once: texts a second and what each client waited."""
    rows = []
    served = [system for system in systems if system.served]
    for count in (1, 4, 16, 32, 64):

        def cell(system: EmbeddingSystem, texts: Sequence[str], count: int = count) -> CellResult:
            return system.each(texts, count)

        for system, cells in interleave(served, supply, "queries", effort, cell, 1).items():
            dataset = f"queries, {count} clients" if count > 1 else "queries, 1 client"
            rows += throughput(system, dataset, cells, "single texts")
            rows += percentiles(system, dataset, cells)
    return rows


def alone(systems: Sequence[EmbeddingSystem], supply: Supply, effort: Effort) -> list[Row]:
    """One text at a time, nobody else: what its sender waits."""
    rows = []
    for kind in ("queries", "abstracts"):
        cells = interleave(systems, supply, kind, effort, lambda system, texts: system.each(texts), 1)
        for system, found in cells.items():
            rows += percentiles(system, f"{kind}, alone", found)
    return rows


def fidelity(systems: Sequence[EmbeddingSystem], supply: Supply, count: int) -> list[Row]:
    """How near the vectors are to FP32, and to themselves whoever shares their batch."""
    reference = next(system for system in systems if system.name == "sentence-transformers torch FP32")
    rows = []
    for kind in ("abstracts", "queries", "mixed"):
        texts = supply.take(kind, count)
        exact = reference.vectors(texts, _BULK)
        for system in systems:
            together, single = system.vectors(texts, _BULK), system.vectors(texts, 1)
            rows.append(Row(system.name, kind, "mean cosine to FP32", cosines(together, exact).mean().item()))
            rows.append(Row(system.name, kind, "least cosine alone to batched", cosines(together, single).min().item()))
    return rows


def gathered(systems: Sequence[EmbeddingSystem], supply: Supply, effort: Effort) -> list[Row]:
    """How many texts Triton gathers into an execution, by its own statistics: 32 clients with texts of every length."""
    grpc, http = (next(each for each in systems if each.name == f"ours, Triton {name}") for name in ("gRPC", "HTTP"))
    cell: list[CellResult] = []
    averages = []
    for _ in range(effort.rounds):
        before = executions(http)
        cell.append(grpc.each(supply.take("mixed", max(64, int(effort.seconds * 400))), 32))
        texts, runs = (after - old for after, old in zip(executions(http), before, strict=True))
        averages.append(texts / runs)
    dataset = "mixed, 32 clients"
    return [
        Row(grpc.name, dataset, "texts an execution", statistics.median(averages)),
        *throughput(grpc.name, dataset, cell, "single texts"),
        *percentiles(grpc.name, dataset, cell),
    ]


def executions(triton: EmbeddingSystem) -> tuple[int, int]:
    """The texts and the executions of the model so far."""
    assert isinstance(triton, EmbeddingServer)
    url, key = f"http://{triton.address}/v2/models/{MODEL}/stats", {triton_key.HEADER: triton.key}
    found = local_http.get(url, headers=key, timeout=10).raise_for_status().json()["model_stats"][0]
    return int(found["inference_count"]), int(found["execution_count"])


def memory(systems: Sequence[EmbeddingSystem]) -> list[Row]:
    """Resident memory of each system after all that was measured; Triton with its Python process."""
    return [Row(each.name, "after all of it", "resident", each.resident() / 2**20, "MB") for each in systems]


def interleave(
    systems: Sequence[EmbeddingSystem], supply: Supply, kind: str, effort: Effort, cell: Cell, multiple: int
) -> dict[str, list[CellResult]]:
    """Every system in turn, round by round, each time on new texts, as many as take it about the same time."""
    counts = {}
    for system in systems:
        trial = cell(system, supply.take(kind, max(multiple, 16)))
        rate = max(trial.texts / trial.seconds, 1e-9)
        counts[system.name] = max(1, round(rate * effort.seconds / multiple)) * multiple
    found: dict[str, list[CellResult]] = {system.name: [] for system in systems}
    for _ in range(effort.rounds):
        for system in systems:
            texts = supply.take(kind, counts[system.name])
            found[system.name].append(cell(system, texts))
    return found


def throughput(system: str, dataset: str, cells: Sequence[CellResult], what: str) -> list[Row]:
    """The median rate, its spread over the rounds, and the CPU of one text."""
    rates = [cell.texts / cell.seconds for cell in cells]
    middle = statistics.median(rates)
    rows = [
        Row(system, dataset, f"texts/s, {what}", middle, "/s"),
        Row(system, dataset, f"spread, {what}", 100 * (max(rates) - min(rates)) / middle, "%"),
        Row(system, dataset, f"CPU a text, {what}", statistics.median(1e3 * c.cpu / c.texts for c in cells), "ms"),
    ]
    if any(cell.client_cpu for cell in cells):
        client = statistics.median(1e3 * cell.client_cpu / cell.texts for cell in cells)
        rows.append(Row(system, dataset, f"CPU of the client a text, {what}", client, "ms"))
    return rows


def percentiles(system: str, dataset: str, cells: Sequence[CellResult]) -> list[Row]:
    """p50, p95 and p99 of each round; their medians."""
    return [
        Row(
            system,
            dataset,
            f"p{percent}",
            statistics.median(1e3 * float(np.percentile(cell.times, percent)) for cell in cells),
            "ms",
        )
        for percent in (50, 95, 99)
    ]


def median_rate(cells: Sequence[CellResult]) -> float:
    """Texts a second."""
    return statistics.median(cell.texts / cell.seconds for cell in cells)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each row with the same row of the other."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.asarray((left * right).sum(axis=1) / norms)
