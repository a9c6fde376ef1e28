"""Child processes: started with a log file of their own, watched, and stopped by process id."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from akin.errors import StackError


@dataclass(frozen=True)
class Child:
    """A process that this project started.

    Attributes:
        name: What it is, for people.
        pid: Its process id, and the id of the group that it leads.
        started: When the kernel started it, in clock ticks since boot: with the id, this names one process for ever.
        log: Where its output goes.
    """

    name: str
    pid: int
    started: int
    log: str

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return start_time(self.pid) == self.started


def start(
    name: str, command: Sequence[str | Path], environment: Mapping[str, str], log: Path, *, tied: bool = False
) -> Child:
    """Starts a command in a session of its own, so that a terminal's Ctrl-C reaches only the one who started it.

    Args:
        name: What it is, for people.
        command: The program and its arguments.
        environment: All of its environment.
        log: The file that its output is added to.
        tied: Whether the kernel ends it when this process dies, however that happens.

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
                preexec_fn=end_with_parent if tied else None,
            )
        except OSError as error:
            raise StackError(f"{name} cannot be started: {command[0]}: {error.strerror}. Run `make setup`.") from error
    process.returncode = 0  # it may outlive this command; nobody is to warn about that
    return Child(name, process.pid, start_time(process.pid) or 0, str(log))


def end_with_parent() -> None:
    """Asks the kernel to end this process when its parent dies (Linux: prctl, PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def start_time(pid: int) -> int | None:
    """Clock ticks from boot to the start of a process; None when it has ended (a zombie has)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def wait_until(ready: Callable[[], bool], child: Child, seconds: float) -> None:
    """Waits for a child to get ready.

    Raises:
        StackError: It died, or was not ready in time; the message ends with the last lines of its log.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        late = time.monotonic() > deadline
        if late or not child.alive:
            what = f"was not ready after {seconds:.0f} s" if late else "stopped while starting"
            raise StackError(f"{child.name} {what}. Its log, {child.log}, ends:\n{tail(child.log)}")
        time.sleep(0.05)


def stop(children: Sequence[Child], seconds: float = 15.0) -> None:
    """Ask each process to end, wait, and kill what is left of their groups.

    A process that has not ended after a third of the time is asked again: one that was just starting may have lost the
    first request. What is left is a process that has not ended in time either, and what one has left behind (now and
    then Triton's Python process).
    """
    running = [child for child in children if child.alive]
    for share in (1 / 3, 2 / 3):
        for child in running:
            send(child, signal.SIGTERM)
        await_end(running, seconds * share)
    # Also of those that had ended before: a process that was killed may have left others behind.
    for child in children:
        kill_group(child)
    await_end(running, 5.0)
    for child in children:
        reap(child.pid)


def await_end(children: Sequence[Child], seconds: float) -> None:
    """Waits until all have ended, or the time is over."""
    deadline = time.monotonic() + seconds
    while any(child.alive for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)


def send(child: Child, signum: signal.Signals) -> None:
    """Signals a process, unless it has ended (its id may by now be somebody else's)."""
    if child.alive:
        # It may end between the look and the call.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signum)


def kill_group(child: Child) -> None:
    """Kills a process and whatever of its group is left; while anyone is in it, its number is given to nobody else."""
    if start_time(child.pid) in (None, child.started):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def await_group_end(child: Child, seconds: float) -> None:
    """Wait until nobody runs in a killed process's group, or the time is over."""
    deadline = time.monotonic() + seconds
    while group_of(child) and time.monotonic() < deadline:
        time.sleep(0.02)


def group_of(child: Child) -> list[int]:
    """Return the ids of the processes that run in the group that a process leads or led."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # Processes end while they are looked at.
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(") ")[2].split()
            if int(fields[2]) == child.pid and fields[0] not in "ZX":
                members.append(int(stat.parent.name))
    return members


def reap(pid: int) -> None:
    """Takes the exit status of an ended child, where it is a child of this very process."""
    # A child that another command started is not ours to wait for.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def tail(log: str | Path, lines: int = 8) -> str:
    """The last lines of a log, indented."""
    try:
        text = Path(log).read_text(errors="replace")
    except OSError:
        return "    (no log)"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (empty)"


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return True unless another process listens on a port of an address.

    An address that this machine does not have has nobody listening: who listens there will say what is wrong with it.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def command_lines() -> str:
    """Return the command lines of all running processes that can be read, one after another."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # Processes end while they are looked at.
        with contextlib.suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)
