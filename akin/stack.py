"""The local stack: Triton, the service and the page, started in order and stopped together."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from akin import triton_key
from akin.errors import StackError
from akin.processes import Child, free_ports, port_is_free, start, stop, wait_until
from akin.registry import Version, promoted, versions
from akin.remote import await_encoder
from akin.settings import Settings
from akin.triton import Triton, answers, start_triton
from akin.waiting import wait_for
from retrieval_service.errors import SnapshotError
from retrieval_service.snapshot import Shelf, read_manifest

SERVICE_SECONDS = 60.0
PAGE_SECONDS = 60.0


@dataclass(frozen=True)
class Stack:
    """What runs.

    Attributes:
        children: Its processes, in the order of their start.
        encoders: The encoder versions that Triton serves.
        service: Address of the HTTP API.
        page: Address of the page.
        triton: Triton's gRPC address.
        triton_http: Triton's HTTP address.
        complete: Whether all of it was started; not so after a start that was killed.
    """

    children: list[Child]
    encoders: list[int]
    service: str
    page: str
    triton: str
    triton_http: str
    complete: bool


def running(settings: Settings) -> Stack | None:
    """The stack that `up` started from this data folder, if any of it still runs."""
    try:
        found = json.loads(record(settings).read_text())
        stack = Stack(**{**found, "children": [Child(**child) for child in found["children"]]})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return stack if any(child.alive for child in stack.children) else None


def up(settings: Settings, say: Callable[[str], None]) -> Stack:
    """Starts what is not running, and returns when all of it is ready.

    Raises:
        StackError: A port is taken, or a process died or did not get ready; what was started is stopped again.
        EncoderError: No encoder was exported.
    """
    stack = running(settings)
    if stack is not None:
        if stack.complete and all(child.alive for child in stack.children):
            say("the stack is already running")
            return stack
        dead = ", ".join(child.name for child in stack.children if not child.alive) or "an earlier start"
        say(f"{dead} had stopped: starting the stack anew")
        stop(stack.children)
    version = promoted(settings.repository)
    check_ports(settings)
    children: list[Child] = []
    try:
        return start_all(settings, version, children, say)
    except BaseException:
        stop(children)
        record(settings).unlink(missing_ok=True)
        raise


def start_all(settings: Settings, version: Version, children: list[Child], say: Callable[[str], None]) -> Stack:
    """Starts the three in order; `children` grows as they start, so that a failure can stop them.

    Each is written down as soon as it runs: whatever becomes of this process, `down` finds what it started.
    """

    def written(*, complete: bool = False) -> Stack:
        stack = Stack(
            children,
            [version.number, *beside],
            settings.service_url,
            settings.ui_url,
            f"127.0.0.1:{settings.triton_grpc_port}",
            f"127.0.0.1:{settings.triton_http_port}",
            complete,
        )
        write(settings, stack)
        return stack

    beside = still_needed(settings, version)
    say(f"starting Triton with encoder version {' and '.join(map(str, [version.number, *beside]))}")
    ports = (settings.triton_http_port, settings.triton_grpc_port, settings.triton_metrics_port)
    children.append(start_triton(settings, ports, version, settings.logs / "triton.log", beside=beside).child)
    written()
    say("starting the service")
    service = service_environment(settings)
    children.append(start("the service", python("retrieval_service"), service, settings.logs / "service.log"))
    written()
    wait_until(lambda: answers(f"{settings.service_url}/health/live"), children[-1], SERVICE_SECONDS)
    say("starting the page")
    page = {**os.environ, "AKIN_SERVICE_URL": settings.service_url, "AKIN_UI_PORT": str(settings.ui_port)}
    children.append(start("the page", python("gradio_ui"), page, settings.logs / "page.log"))
    written()
    wait_until(lambda: answers(settings.ui_url), children[-1], PAGE_SECONDS)
    return written(complete=True)


def still_needed(settings: Settings, promoted: Version) -> list[int]:
    """The version that made the live snapshot, if it is not the promoted one: searches go by it until a new index."""
    with contextlib.suppress(SnapshotError):
        shelf = Shelf(settings.data)
        live = shelf.current()
        if live is not None:
            digest = read_manifest(shelf.path(live)).encoder.digest
            made_by = [version.number for version in versions(settings.repository) if version.digest == digest]
            return [] if digest == promoted.digest else made_by[-1:]
    return []


def python(module: str) -> list[str]:
    """The command that runs a module with this very Python."""
    return [sys.executable, "-m", module]


def service_environment(settings: Settings) -> dict[str, str]:
    """What the service is told: where its data, its Triton and its port are.

    Not which encoder: it finds the one that made its snapshot among those that Triton serves.
    """
    return {
        **os.environ,
        "AKIN_DATA": str(settings.data),
        "AKIN_SERVICE_PORT": str(settings.service_port),
        "AKIN_TRITON_URL": f"grpc://127.0.0.1:{settings.triton_grpc_port}",
    }


def down(settings: Settings) -> list[str]:
    """Stops what runs; returns the names of what was stopped."""
    stack = running(settings)
    alive = [child for child in reversed(stack.children) if child.alive] if stack else []
    stop(alive)
    record(settings).unlink(missing_ok=True)
    triton_key.forget(settings)
    return [child.name for child in alive]


@contextlib.contextmanager
def encoder_server(settings: Settings, say: Callable[[str], None]) -> Iterator[tuple[str, Version]]:
    """The address of a Triton that serves the promoted encoder.

    That is `AKIN_TRITON_URL` where it is set, otherwise the running stack's, or one for this command only.
    """
    version = wait_for("an encoder", lambda: promoted(settings.repository), settings.wait_seconds, say)
    if settings.triton_url:
        await_encoder(settings.triton_url, version, settings.wait_seconds, say)
        yield settings.triton_url, version
        return
    stack = running(settings)
    if stack is not None and version.number in stack.encoders and stack.children[0].alive:
        yield f"grpc://{stack.triton}", version
        return
    say(f"starting Triton with encoder version {version.number} for this command")
    http, grpc, metrics = free_ports(3)
    triton: Triton = start_triton(
        settings, (http, grpc, metrics), version, settings.logs / "triton-command.log", tied=True
    )
    try:
        yield f"grpc://{triton.grpc}", version
    finally:
        stop([triton.child])


def check_ports(settings: Settings) -> None:
    """Says which port is taken before anything is started.

    Raises:
        StackError: One of them is.
    """
    for number, name in (
        (settings.triton_http_port, "AKIN_TRITON_HTTP_PORT"),
        (settings.triton_grpc_port, "AKIN_TRITON_GRPC_PORT"),
        (settings.triton_metrics_port, "AKIN_TRITON_METRICS_PORT"),
        (settings.service_port, "AKIN_SERVICE_PORT"),
        (settings.ui_port, "AKIN_UI_PORT"),
    ):
        if not port_is_free(number):
            raise StackError(
                f"port {number} ({name}) is taken by another process: stop that, or set {name} to a free port."
            )


def record(settings: Settings) -> Path:
    """Where a running stack is written down."""
    return settings.run / "stack.json"


def write(settings: Settings, stack: Stack) -> None:
    """Writes the running stack down, whole or not at all."""
    path = record(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(asdict(stack), indent=1))
    aside.rename(path)
