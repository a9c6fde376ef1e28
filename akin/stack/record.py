"""The record of a running stack, `data/run/stack.json`: its processes, their states, and where they answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from akin.errors import StackError
from akin.settings import Settings
from akin.stack.processes import Child
from storage.durable import replace_file
from storage.locks import hold_lock

State = Literal["waiting", "starting", "running", "restarting", "given up", "stopped"]

LOCK_SECONDS = 30.0
# Loading an encoder, as long as that may take.
SWITCH_SECONDS = 400.0


@dataclass(frozen=True)
class PartState:
    """The state of one part, as its supervisor last wrote it.

    Attributes:
        name: Triton, the service or the page.
        state: What it does; `waiting` means that an earlier part starts first.
        since: When it came into this state, in seconds since 1970.
        restarts: How often it was started again since the stack was started.
        failures: How many starts in a row have failed or did not last.
        reason: Why it was last restarted, or given up; empty where it never was.
        error: The kind of error of a failed start, a class of `akin.errors`.
    """

    name: str
    state: State
    since: float
    restarts: int = 0
    failures: int = 0
    reason: str = ""
    error: str = ""


@dataclass(frozen=True)
class Stack:
    """A running stack.

    Attributes:
        children: Its processes, in the order of their start.
        encoders: The encoder versions that Triton serves.
        service: Address of the HTTP API.
        page: Address of the page.
        triton: Triton's gRPC address.
        triton_http: Triton's HTTP address.
        complete: Whether all of it has been ready at once; not so while it starts for the first time.
        triton_metrics: Triton's metrics address.
        parts: The states of the parts, in the order of their start.
        supervisor: The process that restarts what dies, whether or not it still runs.
        attempts: How often the supervisor was asked to try given-up parts again.
        service_metrics: Host and port of the service's metrics, port 0 where there are none; empty in the record of an
            earlier release.
        boot: The machine's start during which all this was written; process ids mean nothing after another.
    """

    children: list[Child]
    encoders: list[int]
    service: str
    page: str
    triton: str
    triton_http: str
    complete: bool
    triton_metrics: str = ""
    parts: list[PartState] = field(default_factory=list)
    supervisor: Child | None = None
    attempts: int = 0
    boot: str = ""
    service_metrics: str = ""

    @property
    def of_earlier_release(self) -> bool:
        """Return True if a release without a supervisor wrote this: its Triton has no key, its page no gate."""
        return not (self.boot and self.triton_metrics)

    @property
    def supervised(self) -> bool:
        """Return True if the supervisor runs."""
        return self.supervisor is not None and self.supervisor.alive

    @property
    def serves(self) -> bool:
        """Return True if Triton runs and has loaded its encoders."""
        triton = self.child("Triton")
        return triton is not None and triton.alive and self.state("Triton") == "running"

    def child(self, name: str) -> Child | None:
        """Return the process of a part; None where it has none."""
        return next((child for child in self.children if child.name == name), None)

    def state(self, name: str) -> State:
        """Return what a part does; without a supervisor, its process alone says that."""
        child = self.child(name)
        alive = child is not None and child.alive
        written = next((part.state for part in self.parts if part.name == name), None)
        if self.supervised and written is not None:
            # Its death is noticed here perhaps before the supervisor has written it down.
            return "restarting" if written == "running" and not alive else written
        return "running" if alive else "stopped"


def record_path(settings: Settings) -> Path:
    """Return where a running stack is written down."""
    return settings.run / "stack.json"


def read(settings: Settings) -> Stack | None:
    """Return the stack that is written down, whether or not it still runs; None where there is none."""
    try:
        found: dict[str, Any] = json.loads(record_path(settings).read_text())
        supervisor = found.get("supervisor")
        stack = Stack(
            **{
                **found,
                "children": [Child(**child) for child in found["children"]],
                "parts": [PartState(**part) for part in found.get("parts", [])],
                "supervisor": Child(**supervisor) if supervisor else None,
            }
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return stack if stack.boot in ("", boot()) else None


def running(settings: Settings) -> Stack | None:
    """Return the stack that `up` started from this data folder, if any of it still runs."""
    stack = read(settings)
    if stack is None:
        return None
    return stack if stack.supervised or any(child.alive for child in stack.children) else None


def update(settings: Settings, change: Callable[[Stack], Stack]) -> None:
    """Change the record, unless the stack has been stopped and its record removed.

    Args:
        settings: Where the record is.
        change: Returns the new record, given the present one.

    Raises:
        StackError: Another process holds the record for half a minute.
    """
    if not record_path(settings).is_file():
        return
    with record_lock(settings):
        stack = read(settings)
        if stack is not None:
            write(settings, change(stack))


def create(settings: Settings, stack: Stack, supervisor: Child) -> None:
    """Write the record of a stack under a new supervisor, in place of an earlier record.

    Raises:
        StackError: Another process holds the record for half a minute.
    """
    with record_lock(settings):
        write(settings, replace(stack, supervisor=supervisor, boot=boot()))


def record_lock(settings: Settings) -> Any:
    """Return the lock under which the record is read and written again."""
    return hold_lock(
        settings.run / "record.lock", LOCK_SECONDS, StackError(f"{record_path(settings)} is held by another process.")
    )


def encoders_lock(settings: Settings, busy: str) -> AbstractContextManager[None]:
    """Return the lock under which Triton starts, and under which a running one loads or unloads encoders.

    Args:
        settings: Where the lock is.
        busy: The text of the `StackError` that is raised when another holder does not let go in time.
    """
    return hold_lock(settings.run / "encoders.lock", SWITCH_SECONDS, StackError(busy))


def write(settings: Settings, stack: Stack) -> None:
    """Write the running stack down, whole or not at all."""
    path = record_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(asdict(stack), indent=1).encode())


def boot() -> str:
    """Return the id of the machine's present start."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
