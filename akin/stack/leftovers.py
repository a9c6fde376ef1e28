"""Find and kill the processes that a stack has left.

When a part is killed, its own children may stay, such as Triton's Python process. Every process of a stack inherits an
environment variable that names the stack's run folder, so it is found without a record.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

from akin.stack.processes import Child, await_end, start_time

MARK = "_AKIN_STACK"


def mark_variables(run: Path) -> dict[str, str]:
    """Return the environment variable that marks the processes of a stack.

    Args:
        run: The stack's run folder.
    """
    return {MARK: str(run.resolve())}


def find_marked(run: Path) -> list[Child]:
    """Return the running processes that carry a stack's mark, except the calling one."""
    wanted = str(run.resolve())
    found = []
    for pid in psutil.pids():
        # A process may end meanwhile, and those of other users cannot be read.
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            if pid != os.getpid() and process.environ().get(MARK) == wanted:
                started = start_time(pid)
                if started is not None:
                    found.append(Child(process.name(), pid, started, ""))
    return found


def kill_marked(run: Path) -> list[Child]:
    """Kill every process that carries a stack's mark, except the calling one; return the killed ones."""
    killed: list[Child] = []
    # A process may start another one between the search and the kill: search again until none is found.
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
