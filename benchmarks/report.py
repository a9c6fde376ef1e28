"""What every measurement leaves: rows in JSON, with the machine and the versions, and the same as a Markdown table."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from storage.cpu import cpu_features, cpu_fields

PACKAGES = ("faiss-cpu", "tantivy", "tritonclient", "starlette", "numpy", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        system: What was measured.
        dataset: On what.
        metric: Which figure.
        value: The figure.
        unit: Its unit; empty for a ratio.
    """

    system: str
    dataset: str
    metric: str
    value: float
    unit: str = ""


def machine() -> dict[str, object]:
    """The class of machine: enough to compare figures by, nothing that names it."""
    model = cpu_fields().get("model name", "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    features = sorted({"avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"} & cpu_features())
    return {"cpu": model, "cores": os.cpu_count(), "int8": features, "memory_gb": round(memory / 2**30)}


def versions() -> dict[str, str]:
    """The versions of what matters to a figure, where it is installed here."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write(name: str, rows: Iterable[Row], folder: Path, **more: object) -> Path:
    """Writes `<name>.json` and `<name>.md` and returns the first's path."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "rows": [asdict(row) for row in rows],
        "machine": machine(),
        "versions": versions(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1))
    (folder / f"{name}.md").write_text(table(rows))
    return path


def table(rows: Iterable[Row]) -> str:
    """A Markdown table: a line for each system and metric, a column for each dataset."""
    cells = {(row.system, row.metric, row.dataset): row for row in rows}
    lines = list(dict.fromkeys((row.system, row.metric) for row in rows))
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    text = [f"| system | metric | {' | '.join(datasets)} |", f"| --- | --- |{' ---: |' * len(datasets)}"]
    for system, metric in lines:
        found = [cells.get((system, metric, dataset)) for dataset in datasets]
        values = [f"{cell.value:.4g}{' ' + cell.unit if cell.unit else ''}" if cell else "" for cell in found]
        text.append(f"| {system} | {metric} | {' | '.join(values)} |")
    return "\n".join(text) + "\n"
