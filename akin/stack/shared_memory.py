"""Name a Triton's shared memory, and remove what an ended Triton has left.

Triton and its Python process exchange tensors through shared memory. When both are killed it stays, so its name begins
with a digest of the stack's run folder and with Triton's port: it can be found without a record.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
_ALL = "triton_python_backend_shm_region_"


def region_prefix(run: Path, port: int) -> str:
    """Return the prefix of the names of a Triton's shared memory.

    Args:
        run: The run folder of the stack, or of the command, that starts this Triton.
        port: Its gRPC port.
    """
    return f"{_prefix_of(run)}{port}_"


def remove_regions(run: Path, port: int | None = None) -> list[str]:
    """Remove the shared memory that ended servers have left, and return its names.

    Memory that a running process still maps stays.

    Args:
        run: The run folder that the servers were started from.
        port: The gRPC port of one server; None for all servers of that folder.
    """
    prefix = _prefix_of(run) if port is None else region_prefix(run, port)
    found = sorted(SHARED_MEMORY.glob(f"{prefix}*"))
    mapped = _read_shared_mappings() if found else ""
    removed = []
    for path in found:
        if path.name not in mapped:
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def _prefix_of(run: Path) -> str:
    return f"{_ALL}{hashlib.sha256(os.fsencode(run.resolve())).hexdigest()[:12]}_"


def _read_shared_mappings() -> str:
    """Return the lines of shared memory in the maps of all processes that can be read."""
    lines = []
    # psutil reads `smaps` instead, for which the kernel walks every page of the process: seconds for a large index.
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            lines += [line for line in maps.read_text().splitlines() if _ALL in line]
    return "\n".join(lines)
