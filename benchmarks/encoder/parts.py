"""Parts of the encoder benchmark: each is a table of cells, measured for all systems in turn, round by round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from akin.registry.versions import MODEL
from akin.stack import local_http, triton_key
from benchmarks.encoder.clients import Vectors
from benchmarks.encoder.systems import CellResult, EmbeddingServer, EmbeddingSystem
from benchmarks.encoder.texts import Supply
from benchmarks.report import Row, percentile_rows

_BULK = 32


@dataclass(frozen=True)
class Effort:
    """Length of the measurement.

    Attributes:
        rounds: The number of measurements of each cell; the median counts.
        seconds: The approximate time of one measurement.
    """

    rounds: int
    seconds: float


Cell = Callable[[EmbeddingSystem, Sequence[str]], CellResult]


def bulk(systems: Sequence[EmbeddingSystem], supply: Supply, effort: Effort) -> list[Row]:
    """Measure texts a second and CPU a text, 32 texts at a time (servers: four such requests at once)."""
    rows = []
    for kind in ("abstracts", "titles", "queries"):
        found = interleave(systems, supply, kind, effort, lambda system, texts: system.together(texts, _BULK), _BULK)
        for system, cells in found.items():
            rows += throughput(system, kind, cells, "bulk")
    return rows


def batches(systems: Sequence[EmbeddingSystem], supply: Supply, effort: Effort) -> list[Row]:
    """Measure texts a second against the number of texts in a batch."""
    rows = []
    for kind, size in (("abstracts", 8), ("queries", 1), ("queries", 8), ("queries", 64)):

        def cell(system: EmbeddingSystem, texts: Sequence[str], size: int = size) -> CellResult:
            return system.together(texts, size)

        for system, cells in interleave(systems, supply, kind, effort, cell, size).items():
            rate = statistics.median(cell.texts / cell.seconds for cell in cells)
            rows.append(Row(system, kind, f"texts/s, batch {size}", rate, "/s"))
    return rows


def clients(systems: Sequence[EmbeddingSystem], supply: Supply, effort: Effort) -> list[Row]:
    """Measure single texts from 1 to 64 clients at once: texts a second, and the waiting time of each request."""
    rows = []
    served = [system for system in systems if system.served]
    for count in (1, 4, 16, 32, 64):

        def cell(system: EmbeddingSystem, texts: Sequence[str], count: int = count) -> CellResult:
            return system.each(texts, count)

        for system, cells in interleave(served, supply, "queries", effort, cell, 1).items():
            dataset = f"queries, {count} clients" if count > 1 else "queries, 1 client"
            rows += throughput(system, dataset, cells, "single texts")
            rows += waiting_times(system, dataset, cells)
    return rows


def alone(systems: Sequence[EmbeddingSystem], supply: Supply, effort: Effort) -> list[Row]:
    """Measure the waiting time of one text at a time, without any other request."""
    rows = []
    for kind in ("queries", "abstracts"):
        cells = interleave(systems, supply, kind, effort, lambda system, texts: system.each(texts), 1)
        for system, found in cells.items():
            rows += waiting_times(system, f"{kind}, alone", found)
    return rows


def fidelity(systems: Sequence[EmbeddingSystem], supply: Supply, count: int) -> list[Row]:
    """Measure the cosine of each vector to its FP32 vector, and to the vector of the same text alone in a batch."""
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
    """Measure the texts in one execution, by Triton's statistics, with texts of every length from 32 clients."""
    grpc, http = (next(each for each in systems if each.name == f"ours, Triton {name}") for name in ("gRPC", "HTTP"))
    cells: list[CellResult] = []
    averages = []
    for _ in range(effort.rounds):
        before = executions(http)
        cells.append(grpc.each(supply.take("mixed", max(64, int(effort.seconds * 400))), 32))
        texts, runs = (after - old for after, old in zip(executions(http), before, strict=True))
        averages.append(texts / runs)
    dataset = "mixed, 32 clients"
    return [
        Row(grpc.name, dataset, "texts an execution", statistics.median(averages)),
        *throughput(grpc.name, dataset, cells, "single texts"),
        *waiting_times(grpc.name, dataset, cells),
    ]


def executions(triton: EmbeddingSystem) -> tuple[int, int]:
    """Return the number of texts and of executions of the model since Triton's start."""
    assert isinstance(triton, EmbeddingServer)
    url, key = f"http://{triton.address}/v2/models/{MODEL}/stats", {triton_key.HEADER: triton.key}
    found = local_http.get(url, headers=key, timeout=10).raise_for_status().json()["model_stats"][0]
    return int(found["inference_count"]), int(found["execution_count"])


def memory(systems: Sequence[EmbeddingSystem]) -> list[Row]:
    """Measure the resident memory of each system; Triton's includes its Python process."""
    return [Row(each.name, "after all of it", "resident", each.resident() / 2**20, "MB") for each in systems]


def interleave(
    systems: Sequence[EmbeddingSystem], supply: Supply, kind: str, effort: Effort, cell: Cell, multiple: int
) -> dict[str, list[CellResult]]:
    """Measure every system in turn, round by round, each time on new texts.

    Args:
        systems: The systems.
        supply: The source of the texts.
        kind: The kind of text.
        effort: The number of rounds, and the time that a system gets in each: a fast one gets more texts.
        cell: Measures one system on some texts.
        multiple: The number of texts is a multiple of this.
    """
    counts = {}
    for system in systems:
        trial = cell(system, supply.take(kind, max(multiple, 16)))
        rate = max(trial.texts / trial.seconds, 1e-9)
        counts[system.name] = max(1, round(rate * effort.seconds / multiple)) * multiple
    found: dict[str, list[CellResult]] = {system.name: [] for system in systems}
    for _ in range(effort.rounds):
        for system in systems:
            found[system.name].append(cell(system, supply.take(kind, counts[system.name])))
    return found


def throughput(system: str, dataset: str, cells: Sequence[CellResult], what: str) -> list[Row]:
    """Return the median rate, its spread over the rounds, and the CPU time of one text."""
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


def waiting_times(system: str, dataset: str, cells: Sequence[CellResult]) -> list[Row]:
    """Return the medians over the rounds of p50, p95 and p99."""
    return percentile_rows(system, dataset, [cell.times for cell in cells], 50, 95, 99)


def cosines(left: Vectors, right: Vectors) -> Vectors:
    """Return the cosine of each row with the same row of the other array."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return np.asarray((left * right).sum(axis=1) / norms)


TIMED_PARTS = {part.__name__: part for part in (bulk, clients, alone, gathered, batches)}
"""Parts that take an effort, by the names that the command line has for them."""
