"""The environments of the peers, and what this machine is; with the standard library, as both sides import it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = ROOT / ".venv-peers" / "bin" / "python"
INFINITY = ROOT / ".venv-infinity" / "bin" / "python"
LONGEST = 256
"""Tokens of a text that everyone reads; what is over is cut off."""


def cores() -> int:
    """The cores that a process of this measurement may use."""
    return len(os.sched_getaffinity(0))


def for_peer() -> dict[str, str]:
    """The environment of a peer: as many threads as cores, no network, nothing reported to anyone."""
    threads = str(cores())
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AKIN_")}
    return {
        **kept,
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
