"""Read and write the record of a running stack, `data/run/stack.json`: processes, states and addresses."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from akin.errors import StackError
from akin.stack.processes import Child
from akin.stack_settings import Settings
from akin.storage.durable import replace_file
from akin.storage.locks import hold_lock

State = Literal["waiting", "starting", "running", "restarting", "given up", "stopped"]

LOCK_SECONDS = 30.0
# Longer than loading an encoder may take.
SWITCH_SECONDS = 400.0


@dataclass(frozen=True)
class PartState:
    """State of one part, as its supervisor last wrote it.

    Attributes:
        name: Triton, the service or the page.
        state: Its state; `waiting` means that an earlier part starts first.
        since: The start of this state, in seconds since 1970.
        restarts: The number of restarts since the stack was started.
        failures: The number of starts in a row that failed or did not last.
        reason: The reason of the last restart or of giving up; empty if there was none.
        error: The class of `akin.errors` of a failed start, by name.
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
    """Running stack.

    Attributes:
        children: Its processes, in the order of their start.
        encoders: The encoder versions that Triton serves.
        service: The address of the HTTP API.
        page: The address of the page.
        triton: Triton's gRPC address.
        triton_http: Triton's HTTP address.
        complete: True if all parts were ready at the same time at least once.
        triton_metrics: Triton's metrics address.
        parts: The states of the parts, in the order of their start.
        supervisor: The process that restarts parts, whether or not it still runs.
        attempts: The number of requests to try given-up parts again.
        service_metrics: Host and port of the service's metrics, with port 0 if there are none; empty in the record of
            an earlier release.
        page_path: The path under which a proxy publishes the page; empty for none.
        service_path: The path under which a proxy publishes the service; empty for none.
        boot: The id of the machine's boot during which this was written; after another boot, process ids are void.
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
    page_path: str = ""
    service_path: str = ""

    @property
    def of_earlier_release(self) -> bool:
        """Return True if a release without a supervisor wrote this: its Triton takes requests without a key."""
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
        """Return the process of a part; None if it has none."""
        return next((child for child in self.children if child.name == name), None)

    def state(self, name: str) -> State:
        """Return the state of a part: the recorded one, or without a supervisor that of its process."""
        child = self.child(name)
        alive = child is not None and child.alive
        written = next((part.state for part in self.parts if part.name == name), None)
        if self.supervised and written is not None:
            # Its process may have ended before the supervisor has recorded that.
            return "restarting" if written == "running" and not alive else written
        return "running" if alive else "stopped"


def record_path(settings: Settings) -> Path:
    """Return the path of the record."""
    return settings.run / "stack.json"


def read(settings: Settings) -> Stack | None:
    """Return the recorded stack, whether or not it still runs; None if there is no readable record."""
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


def find_running_stack(settings: Settings) -> Stack | None:
    """Return the stack that `akin up` started from this data folder; None if no process of it runs."""
    stack = read(settings)
    if stack is None:
        return None
    return stack if stack.supervised or any(child.alive for child in stack.children) else None


def update(settings: Settings, change: Callable[[Stack], Stack]) -> None:
    """Change the record; do nothing if the stack was stopped and its record removed.

    Args:
        settings: Where the record is.
        change: Returns the new stack, given the present one.

    Raises:
        StackError: Another process locks the record for half a minute.
    """
    if not record_path(settings).is_file():
        return
    with record_lock(settings):
        stack = read(settings)
        if stack is not None:
            write(settings, change(stack))


def create(settings: Settings, stack: Stack, supervisor: Child) -> None:
    """Write the record of a stack under a new supervisor, and replace an earlier record.

    Raises:
        StackError: Another process locks the record for half a minute.
    """
    with record_lock(settings):
        write(settings, replace(stack, supervisor=supervisor, boot=boot()))


def record_lock(settings: Settings) -> AbstractContextManager[None]:
    """Return the lock that is needed to change the record."""
    return hold_lock(
        settings.run / "record.lock", LOCK_SECONDS, StackError(f"{record_path(settings)} is locked by another process.")
    )


def encoders_lock(settings: Settings, busy: str) -> AbstractContextManager[None]:
    """Return the lock that is needed to start Triton, and to load or unload encoders.

    Args:
        settings: Where the lock is.
        busy: The message of the `StackError` that is raised if the lock is not released in time.
    """
    return hold_lock(settings.run / "encoders.lock", SWITCH_SECONDS, StackError(busy))


def write(settings: Settings, stack: Stack) -> None:
    """Write the record in one step."""
    path = record_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(asdict(stack), indent=1).encode())


def boot() -> str:
    """Return the id of the machine's present boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
