"""Run the supervisor of one data folder's stack until a signal stops it: `python -m akin.stack.supervisor`.

SIGTERM (or SIGINT) stops the stack. SIGUSR1, sent by `akin up`, starts at once the parts that were given up or wait for
their restart. When this process is killed, the parts continue, and the next supervisor takes them over.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn
from urllib.parse import urlsplit

from akin.errors import AkinError, StackError
from akin.stack import record
from akin.stack.leftovers import kill_marked
from akin.stack.processes import Child, start_time, stop
from akin.stack.record import Stack
from akin.stack.shared_memory import remove_regions
from akin.stack.supervisor.keeper import Keeper
from akin.stack.supervisor.logs import rotate_all
from akin.stack.supervisor.parts import parts
from akin.stack_settings import Settings
from akin.storage.locks import hold_lock

ROTATE_SECONDS = 5.0
OWNER_SECONDS = 10.0


class Supervisor:
    """Supervisor of a stack: one keeper for each part, and the record of their states."""

    def __init__(self, settings: Settings) -> None:
        """Take over the running processes of the record, and prepare to start the other parts."""
        earlier = record.find_running_stack(settings)
        self._settings = settings = addresses_of(earlier, settings)
        self._asked_to_stop, self._asked_again = threading.Event(), threading.Event()
        self._writing = threading.Lock()
        self._keepers: list[Keeper] = []
        for part in parts(settings):
            child = earlier.child(part.name) if earlier else None
            keeper = Keeper(
                part,
                self._write,
                write_log,
                before=self._keepers[-1].tried if self._keepers else None,
                adopted=child if child is not None and child.alive else None,
                earlier=next((each for each in earlier.parts if each.name == part.name), None) if earlier else None,
            )
            # Also an ended process: the keeper kills the rest of its group before it starts the part again.
            keeper.child = child
            self._keepers.append(keeper)
        self._stack = Stack(
            children=self._children(),
            encoders=earlier.encoders if earlier else [],
            service=settings.service_url,
            page=settings.ui_url,
            page_path=settings.ui_root_path,
            service_path=settings.service_root_path,
            triton=f"127.0.0.1:{settings.triton_grpc_port}",
            triton_http=f"127.0.0.1:{settings.triton_http_port}",
            triton_metrics=f"127.0.0.1:{settings.triton_metrics_port}",
            service_metrics=f"{settings.service_metrics_host}:{settings.service_metrics_port}",
            complete=earlier.complete if earlier else False,
            parts=[keeper.state for keeper in self._keepers],
        )

    def run(self) -> None:
        """Keep the parts running until a stop signal, then stop them and remove the record."""
        signal.signal(signal.SIGTERM, lambda *_: self._asked_to_stop.set())
        signal.signal(signal.SIGINT, lambda *_: self._asked_to_stop.set())
        signal.signal(signal.SIGUSR1, lambda *_: self._asked_again.set())
        pid = os.getpid()
        own = Child("the supervisor", pid, start_time(pid) or 0, str(self._settings.logs / "supervisor.log"))
        record.create(self._settings, self._stack, own)
        for keeper in self._keepers:
            keeper.start()
        rotate_at = 0.0
        while not self._asked_to_stop.wait(0.1):
            if self._asked_again.is_set():
                self._asked_again.clear()
                self._try_again()
            if time.monotonic() >= rotate_at:
                rotate_at = time.monotonic() + ROTATE_SECONDS
                self._rotate()
        self._stop()

    def _try_again(self) -> None:
        for keeper in self._keepers:
            keeper.try_again()
        self._update(lambda stack: replace(stack, attempts=stack.attempts + 1, parts=self._states()))

    def _stop(self) -> None:
        write_log("stopping")
        for keeper in self._keepers:
            keeper.leave()
        deadline = time.monotonic() + 20.0
        while True:
            # A keeper that was just starting a process still records it: stop that one in the next round.
            stop([keeper.child for keeper in reversed(self._keepers) if keeper.child is not None])
            if not any(keeper.busy for keeper in self._keepers) or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        kill_marked(self._settings.run)
        remove_regions(self._settings.run, self._settings.triton_grpc_port)
        record.record_path(self._settings).unlink(missing_ok=True)
        write_log("stopped")

    def _write(self) -> None:
        with self._writing:
            states = self._states()
            ready = all(state.state == "running" for state in states)
            self._update(
                lambda stack: replace(stack, children=self._children(), parts=states, complete=stack.complete or ready)
            )

    def _update(self, change: Callable[[Stack], Stack]) -> None:
        try:
            record.update(self._settings, change)
        except (OSError, StackError) as error:
            # Keep supervising on a full disk; the next change writes the whole record.
            write_log(f"{record.record_path(self._settings)} cannot be written: {error}")

    def _children(self) -> list[Child]:
        return [keeper.child for keeper in self._keepers if keeper.child is not None]

    def _states(self) -> list[record.PartState]:
        return [keeper.state for keeper in self._keepers]

    def _rotate(self) -> None:
        try:
            for log in rotate_all(self._settings.logs):
                write_log(f"{log} was full: its content is now in {log.name}.1")
        except OSError as error:
            write_log(f"a log cannot be rotated: {error}")


def addresses_of(stack: Stack | None, settings: Settings) -> Settings:
    """Return settings with the addresses of a running stack, which it keeps until `akin down`."""
    if stack is None or not stack.triton_metrics:
        return settings
    service, page = urlsplit(stack.service), urlsplit(stack.page)
    metrics: dict[str, object] = {}
    if stack.service_metrics:
        metrics["service_metrics_host"] = stack.service_metrics.rpartition(":")[0]
        metrics["service_metrics_port"] = port_of(stack.service_metrics)
    return settings.model_copy(
        update={
            "service_host": settings.service_host if stack.service == settings.service_url else str(service.hostname),
            "service_port": service.port or settings.service_port,
            "ui_host": settings.ui_host if stack.page == settings.ui_url else str(page.hostname),
            "ui_port": page.port or settings.ui_port,
            "service_root_path": stack.service_path,
            "ui_root_path": stack.page_path,
            "triton_http_port": port_of(stack.triton_http),
            "triton_grpc_port": port_of(stack.triton),
            "triton_metrics_port": port_of(stack.triton_metrics),
            **metrics,
        }
    )


def port_of(address: str) -> int:
    """Return the port of `host:port`."""
    return int(address.rpartition(":")[2])


def write_log(message: str) -> None:
    """Write a line into the supervisor's log."""
    # On a full disk the line is lost; keep supervising.
    with contextlib.suppress(OSError):
        print(time.strftime("%Y-%m-%d %H:%M:%S"), message, flush=True)


def fail(arguments: threading.ExceptHookArgs) -> None:
    """End the whole supervisor after an error in one of its threads, as the others would hide the missing one."""
    threading.__excepthook__(arguments)
    sys.stderr.flush()
    os._exit(70)


def main() -> NoReturn:
    """Supervise the stack of the data folder, unless another supervisor does."""
    threading.excepthook = fail
    try:
        settings = Settings.read()
        busy = f"another supervisor owns {settings.data}."
        with hold_lock(settings.run / "supervisor.lock", OWNER_SECONDS, StackError(busy)):
            Supervisor(settings).run()
    except AkinError as error:
        write_log(str(error))
        sys.exit(error.exit_code)
    sys.exit(0)


if __name__ == "__main__":
    main()
