"""Write the results of a benchmark: rows in JSON, with the machine and the versions, and the same as a table."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from akin.storage.cpu import cpu_features, cpu_fields

_PACKAGES = ("faiss-cpu", "tantivy", "tritonclient", "starlette", "numpy", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        system: The system under measurement.
        dataset: The data or the situation.
        metric: The name of the figure.
        value: The figure.
        unit: Its unit; empty for a ratio.
    """

    system: str
    dataset: str
    metric: str
    value: float
    unit: str = ""


def machine_class() -> dict[str, object]:
    """Return the class of machine: enough to compare figures by, nothing that identifies it."""
    model = cpu_fields().get("model name", "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    features = sorted({"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"} & cpu_features())
    return {"cpu": model, "cores": os.cpu_count(), "int8": features, "memory_gb": round(memory / 2**30)}


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that figures depend on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def percentile_rows(system: str, dataset: str, rounds: Sequence[Sequence[float]], *percents: int) -> list[Row]:
    """Return a row for each percentile of waiting times in seconds: the median over the rounds, in ms."""
    return [
        Row(
            system,
            dataset,
            f"p{percent}",
            statistics.median(1e3 * float(np.percentile(times, percent)) for times in rounds),
            "ms",
        )
        for percent in percents
    ]


def write_rows(name: str, rows: Iterable[Row], folder: Path, **more: object) -> Path:
    """Write `<name>.json` and `<name>.md`, and return the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(rows)
    content = {
        "rows": [asdict(row) for row in rows],
        "machine": machine_class(),
        "versions": package_versions(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1))
    (folder / f"{name}.md").write_text(rows_table(rows))
    return path


def write_and_print(name: str, rows: Iterable[Row], folder: Path, say: Callable[[str], None], **more: object) -> Path:
    """Write the rows, print them as a table, report the paths, and return the path of the JSON."""
    rows = list(rows)
    path = write_rows(name, rows, folder, **more)
    print(rows_table(rows))
    say(f"written to {path} and {path.with_suffix('.md').name}")
    return path


def rows_table(rows: Iterable[Row]) -> str:
    """Return a Markdown table: a line for each system and metric, a column for each dataset."""
    cells = {(row.system, row.metric, row.dataset): row for row in rows}
    datasets = list(dict.fromkeys(dataset for _, _, dataset in cells))
    text = [f"| system | metric | {' | '.join(datasets)} |", f"| --- | --- |{' ---: |' * len(datasets)}"]
    for system, metric in dict.fromkeys(key[:2] for key in cells):
        found = [cells.get((system, metric, dataset)) for dataset in datasets]
        values = [f"{cell.value:.4g}{' ' + cell.unit if cell.unit else ''}" if cell else "" for cell in found]
        text.append(f"| {system} | {metric} | {' | '.join(values)} |")
    return "\n".join(text) + "\n"
