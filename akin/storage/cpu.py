"""Read which CPU this machine has.

`model_repository/text_encoder/runtime.py` reads the features itself, as it is copied into each version and runs alone.
"""

from __future__ import annotations

from pathlib import Path


def cpu_fields() -> dict[str, str]:
    """Return the fields of /proc/cpuinfo for the first core, such as `model name`; empty on other systems."""
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def cpu_features() -> frozenset[str]:
    """Return the instruction sets of the first core in Linux's names, such as `avx512_vnni`."""
    fields = cpu_fields()
    return frozenset(fields.get("flags", fields.get("Features", "")).split())
