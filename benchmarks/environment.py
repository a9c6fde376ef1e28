"""Environments of the systems that Akin is compared with, and the CPU of this machine.

Uses the standard library only, as the processes of these systems import it too.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".venv-peers" / "bin" / "python"
INFINITY = ROOT / ".venv-infinity" / "bin" / "python"
RETRIEVAL = ROOT / ".venv-retrieval" / "bin" / "python"
LOADTESTS = ROOT / ".venv-loadtests" / "bin" / "python"


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def peer_environment() -> dict[str, str]:
    """Return the environment of a peer's process: as many threads as cores, no network, no usage reports."""
    threads = str(cores())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AKIN_")}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "RAYON_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "INFINITY_ANONYMOUS_USAGE_STATS": "0",
        "DO_NOT_TRACK": "1",
    }
