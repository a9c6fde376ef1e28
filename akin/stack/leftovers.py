"""Processes and shared memory that a stack has left behind, found and removed.

A part that is killed cannot tidy up: Triton's Python process may outlive it, and so does the shared memory between the
two. Every process of a stack carries a mark in its environment, and Triton names its shared memory after the stack's
run folder and its port, so that both are found whatever became of the record.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from pathlib import Path

from akin.stack.processes import Child, await_end, start_time

MARK = "_AKIN_STACK"
SHARED_MEMORY = Path("/dev/shm")


def mark_variables(run: Path) -> dict[str, str]:
    """Return the environment variable that marks the processes of a stack.

    Args:
        run: The stack's run folder.
    """
    return {MARK: str(run.resolve())}


def find_marked(run: Path) -> list[Child]:
    """Return the running processes that carry a stack's mark, without the calling one."""
    wanted = os.fsencode(f"{MARK}={run.resolve()}")
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        # Processes end while they are looked at; those of other users, and the kernel's own, show nothing.
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                started = start_time(int(folder.name))
                if started is not None:
                    found.append(Child((folder / "comm").read_text().strip(), int(folder.name), started, ""))
    return found


def kill_marked(run: Path) -> list[Child]:
    """Kill every process that carries a stack's mark, and return them; the calling one is left alone."""
    killed: list[Child] = []
    # A process may start another one between the look and its end.
    for _ in range(5):
        found = find_marked(run)
        if not found:
            break
        for child in found:
            if child.alive:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(child.pid, signal.SIGKILL)
        await_end(found, 5.0)
        killed += found
    return killed


def region_prefix(run: Path, port: int) -> str:
    """Return how the names of a Triton's shared memory begin.

    Args:
        run: The run folder of the stack, or of the command, that starts it.
        port: Its gRPC port.
    """
    return f"{_prefix_of(run)}{port}_"


def remove_regions(run: Path, port: int | None = None) -> list[str]:
    """Remove the shared memory that ended servers have left behind, and return its names.

    Args:
        run: The run folder that they were started from.
        port: The gRPC port of the one server to look at; None: all from that folder. Memory that a running process
            still maps stays.
    """
    prefix = _prefix_of(run) if port is None else region_prefix(run, port)
    found = sorted(SHARED_MEMORY.glob(f"{prefix}*"))
    mapped = _mapped() if found else ""
    removed = []
    for path in found:
        if path.name not in mapped:
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed


def _prefix_of(run: Path) -> str:
    return f"triton_python_backend_shm_region_{hashlib.sha256(os.fsencode(run.resolve())).hexdigest()[:12]}_"


def _mapped() -> str:
    """Return the lines of shared memory in the maps of all processes that can be read."""
    lines = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            lines += [line for line in maps.read_text().splitlines() if "triton_python_backend_shm_region_" in line]
    return "\n".join(lines)
