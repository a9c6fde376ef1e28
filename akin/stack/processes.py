"""Start child processes, each with a log file; watch them, and stop them by process id."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from akin.errors import StackError
from akin.installation import SETUP

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# Linux gives outgoing connections ports from 32,768 on. Each process begins elsewhere: two seldom offer the same port.
_FIRST = random.randrange(20_000, 32_000)
_CANDIDATES = itertools.cycle([*range(_FIRST, 32_000), *range(20_000, _FIRST)])


@dataclass(frozen=True)
class Child:
    """Process that this project started.

    Attributes:
        name: Its name in messages.
        pid: Its process id, and the id of the group that it leads.
        started: Its start in clock ticks since boot. Ids are used again; an id and a start name one process.
        log: The file of its output.
    """

    name: str
    pid: int
    started: int
    log: str

    @property
    def alive(self) -> bool:
        """Return True if this very process still runs."""
        return start_time(self.pid) == self.started


def start(
    name: str,
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    log: Path,
    *,
    tied: bool = False,
    folder: Path | None = None,
) -> Child:
    """Start a command in a session of its own, so that a terminal's Ctrl-C does not reach it.

    Args:
        name: Its name in messages.
        command: The program and its arguments.
        environment: Its whole environment.
        log: The file to which its output is appended.
        tied: True if the kernel must end it when this process ends, for any reason.
        folder: Its current folder; None for that of this process.

    Raises:
        StackError: The program is missing or cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=folder,
                preexec_fn=end_with_parent if tied else None,
            )
        except OSError as error:
            raise StackError(f"{name} cannot be started: {command[0]}: {error.strerror}. Run {SETUP}.") from error
    process.returncode = 0  # it may outlive this command: subprocess must not warn
    return Child(name, process.pid, start_time(process.pid) or 0, str(log))


def end_with_parent() -> None:
    """Make the kernel end this process when its parent ends (Linux: prctl, PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def start_time(pid: int) -> int | None:
    """Return the start of a process in clock ticks since boot; None if it has ended (also if it is a zombie)."""
    while True:
        boot: float = psutil.boot_time()
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            created: float = process.create_time()
        except psutil.NoSuchProcess:
            return None
        # psutil gives seconds since 1970 by adding the boot time, which moves when the clock is set: read it again.
        if psutil.boot_time() == boot:
            return round((created - boot) * TICKS_PER_SECOND)


def wait_until(ready: Callable[[], bool], child: Child, seconds: float) -> None:
    """Wait until a child is ready.

    Raises:
        StackError: It ended, or was not ready in time; the message ends with the last lines of its log.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        late = time.monotonic() > deadline
        if late or not child.alive:
            reason = f"was not ready after {seconds:.0f} s" if late else "stopped while starting"
            raise StackError(f"{child.name} {reason}. Its log, {child.log}, ends:\n{tail(child.log)}")
        time.sleep(0.05)


def stop(children: Sequence[Child], seconds: float = 15.0) -> None:
    """End processes by SIGTERM, wait, then kill the processes of their groups that still run.

    A process that still runs after a third of the time gets a second SIGTERM: one that was just starting may have lost
    the first. The kill reaches processes that did not end in time and children that they left, such as Triton's Python
    process.
    """
    running = [child for child in children if child.alive]
    for share in (1 / 3, 2 / 3):
        for child in running:
            send(child, signal.SIGTERM)
        await_end(running, seconds * share)
    # Also the groups of those that had ended before: a killed process may have left children.
    for child in children:
        kill_group(child)
    await_end(running, 5.0)
    for child in children:
        reap(child.pid)


def await_end(children: Sequence[Child], seconds: float) -> None:
    """Wait until all processes have ended, or the time is over."""
    deadline = time.monotonic() + seconds
    while any(child.alive for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)


def send(child: Child, signum: signal.Signals) -> None:
    """Send a signal to a process, unless it has ended (its id may belong to another process by now)."""
    if child.alive:
        # It may end between the check and the call.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signum)


def kill_group(child: Child) -> None:
    """Kill a process and the rest of its group. A group's id is not used again while a process is in it."""
    if start_time(child.pid) in (None, child.started):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def await_group_end(child: Child, seconds: float) -> None:
    """Wait until no process runs in the group of a killed process, or the time is over."""
    deadline = time.monotonic() + seconds
    while group_of(child) and time.monotonic() < deadline:
        time.sleep(0.02)


def group_of(child: Child) -> list[int]:
    """Return the ids of the processes that run in the group that a process leads or led."""
    members = []
    for pid in psutil.pids():
        # A process may end meanwhile.
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) == child.pid and start_time(pid) is not None:
                members.append(pid)
    return members


def reap(pid: int) -> None:
    """Take the exit status of an ended child, if it is a child of this very process and not of another command."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def tail(log: str | Path, lines: int = 8) -> str:
    """Return the last lines of a log, indented."""
    try:
        text = Path(log).read_text(errors="replace")
    except OSError:
        return "    (no log)"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (empty)"


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return True unless another process listens on a port of an address.

    The port of an address that this machine does not have counts as free: listening there fails with a clear reason.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def free_ports(count: int) -> list[int]:
    """Return different ports on which no process listens; this process gets none of them again soon.

    The kernel gives them to no outgoing connection, so that they are still free when a server has been prepared.
    """
    return list(itertools.islice((port for port in _CANDIDATES if port_is_free(port)), count))


def command_lines() -> str:
    """Return the command lines of all running processes that can be read, one after another."""
    lines = []
    for pid in psutil.pids():
        # A process may end meanwhile, and those of other users may be hidden.
        with contextlib.suppress(psutil.Error, OSError):
            lines.append(" ".join(psutil.Process(pid).cmdline()))
    return "\n".join(lines)
