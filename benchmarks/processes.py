"""Run a system in a process of its own, exchange lines of JSON with it, and measure processes.

Uses the standard library only: the parent runs in the project's environment, the worker in that of its system.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment import ROOT

Message = dict[str, Any]


class WorkerFailed(Exception):
    """A worker ended before its answer; the message ends with the last lines of its log."""


class Worker:
    """A system's process, on the parent's side.

    Attributes:
        name: The name of the system, for messages.
        first: The worker's first message, after `await_ready`.
        pid: The process id.
    """

    def __init__(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> None:
        """Start the process; what it prints goes to the log."""
        self.name = name
        self.first: Message = {}
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=environment,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        self.pid = self._process.pid

    def await_ready(self) -> Message:
        """Wait for the first message and return it.

        Raises:
            WorkerFailed: The process ended before.
        """
        self.first = self._read()
        return self.first

    def ask(self, order: Message) -> Message:
        """Send an order and return the answer.

        Raises:
            WorkerFailed: The process ended before its answer.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then `_read` raises an error that gives the reason
            print(json.dumps(order), file=self._process.stdin, flush=True)
        return self._read()

    def close(self) -> None:
        """End the worker's input, which ends the worker; kill it if it is still there after 20 seconds."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> Message:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            last = self._log.read_text(errors="replace").splitlines()[-12:]
            raise WorkerFailed(f"{self.name} has ended. Its log, {self._log}, ends:\n" + "\n".join(last))
        message: Message = json.loads(line)
        return message


def open_answers() -> Callable[[Message], None]:
    """Return the function by which a worker sends a message; what anything else prints goes to the log."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return lambda message: print(json.dumps(message), file=output)


def orders() -> Iterator[Message]:
    """Yield the orders of the parent until it closes the worker."""
    return map(json.loads, sys.stdin)


def tree(pid: int) -> list[int]:
    """Return the ids of a process and its descendants."""
    found = [pid]
    for parent in found:
        # Each thread of a process may have started some.
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += map(int, _read(task).split())
    return found


def resident(pids: Sequence[int]) -> int:
    """Return the bytes of physical memory that processes have mapped, pages of files included; 0 for ended ones."""
    counts = [_read(Path(f"/proc/{pid}/statm")).split() for pid in pids]
    pages = sum(int(fields[1]) for fields in counts if fields)
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process; 0 for one that has ended."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _read(path: Path) -> str:
    """Return the text of a file of `/proc`; nothing if the process has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""
