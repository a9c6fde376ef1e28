"""Keep one part of the stack running."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from akin.errors import AkinError
from akin.stack.processes import Child, await_group_end, kill_group, reap, tail
from akin.stack.record import PartState, State
from akin.stack.supervisor.health import FailureDetector, Health, work_of
from akin.stack.supervisor.parts import StackPart
from akin.stack.supervisor.restart_policy import RestartPolicy

TICK_SECONDS = 0.2


class Stopping(Exception):
    """The stack is being stopped, so that no part is started any more."""


@dataclass(frozen=True)
class ProbeIntervals:
    """Times between two probes of a running part.

    Attributes:
        well: Seconds after a good probe.
        doubtful: Seconds after a bad probe.
    """

    well: float = 2.0
    doubtful: float = 0.5


class Keeper:
    """Keeper of a part: starts it, watches it, and restarts it when it ends or hangs.

    Attributes:
        part: The part.
        child: Its latest process, whether or not that still runs; None before the first.
        state: Its state, for the record.
        tried: Set once the part has been ready, or has failed, for the first time.
    """

    def __init__(
        self,
        part: StackPart,
        changed: Callable[[], None],
        say: Callable[[str], None],
        *,
        policy: RestartPolicy | None = None,
        detector: Callable[[], FailureDetector] = FailureDetector,
        intervals: ProbeIntervals | None = None,
        before: threading.Event | None = None,
        adopted: Child | None = None,
        earlier: PartState | None = None,
    ) -> None:
        """Prepare to keep a part; nothing runs before `start`.

        Args:
            part: The part to keep running.
            changed: Called whenever `child` or `state` has changed.
            say: Writes a line into the supervisor's log.
            policy: The restart policy, which counts the part's failures.
            detector: Makes the failure detector for one process of the part.
            intervals: The times between probes.
            before: The event to wait for before the first start.
            adopted: A running process of the part.
            earlier: The state that an earlier supervisor has recorded.
        """
        self.part, self.child = part, adopted
        self.tried = threading.Event()
        restarted = earlier.restarts if earlier else 0
        reason = earlier.reason if earlier and adopted else ""
        self.state = PartState(part.name, "waiting", time.time(), restarted, reason=reason)
        if adopted and earlier and earlier.state == "running":
            self.state = replace(self.state, since=earlier.since)
        self._changed, self._say = changed, say
        self._policy = policy or RestartPolicy()
        self._detector, self._intervals = detector, intervals or ProbeIntervals()
        self._before, self._adopted = before, adopted
        self._leaving = threading.Event()
        self._nudged = threading.Event()
        self._ready_at = 0.0
        self._thread = threading.Thread(target=self.run, name=part.name, daemon=True)

    def start(self) -> None:
        """Start the thread that keeps the part running."""
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Return True if the thread runs."""
        return self._thread.is_alive()

    def leave(self) -> None:
        """End the thread and start no process any more; the caller stops the present one."""
        self._leaving.set()
        self._nudged.set()

    def try_again(self) -> None:
        """Reset the count of failures; start the part at once if it was given up or waits for its restart."""
        if self.state.state != "running":
            self._policy.forget()
            self.state = replace(self.state, failures=0)
            self._nudged.set()

    def run(self) -> None:
        """Keep the part running until `leave` is called."""
        if self._adopted is not None:
            self._say(f"{self.part.name} already runs (pid {self._adopted.pid}): it is left as it is")
            self._set_state("running", since=self.state.since)
            self.tried.set()
        while self._adopted is None and self._before is not None and not self._before.wait(TICK_SECONDS):
            if self._leaving.is_set():
                return
        child = self._adopted
        while not self._leaving.is_set():
            trouble, error = None, ""
            if child is None:
                child, trouble, error = self._start()
            if child is not None:
                trouble = self._watch(child)
                self._end(child)
                child = None
            if trouble is None:
                return
            self._record_failure(trouble, error)

    def _start(self) -> tuple[Child | None, str | None, str]:
        """Start the part; return its process, or None with the reason and the class of the error."""
        self._set_state("starting")
        self._ready_at = 0.0
        try:
            if self.child is not None:
                self._end(self.child)
            self.part.clear()
            self.part.start(self._on_start)
        except Stopping:
            return None, None, ""
        except (AkinError, OSError) as error:
            if self._leaving.is_set():
                return None, None, ""
            if self.child is not None:
                self._end(self.child)
            return None, str(error), type(error).__name__
        self._ready_at = time.monotonic()
        self._set_state("running", failures=self._policy.failures)
        self._say(f"{self.part.name} is ready (pid {self.child.pid if self.child else '?'})")
        self.tried.set()
        return self.child, None, ""

    def _on_start(self, child: Child) -> None:
        self.child = child
        self._changed()
        if self._leaving.is_set():
            raise Stopping

    def _watch(self, child: Child) -> str | None:
        """Watch a process; return the reason why it ended or must end, or None if the stack is being stopped."""
        detector = self._detector()
        probe_at = time.monotonic() + self._intervals.well
        with contextlib.ExitStack() as closing:
            poll = select.poll()
            try:
                descriptor = os.pidfd_open(child.pid)
            except ProcessLookupError:
                return _exit_reason(child)
            except (OSError, AttributeError):
                # Old kernels and some sandboxes lack it: the poll then only waits, and `alive` shows the end.
                pass
            else:
                closing.callback(os.close, descriptor)
                poll.register(descriptor, select.POLLIN)
            while child.alive:
                if self._leaving.is_set():
                    return None
                if poll.poll(TICK_SECONDS * 1000):
                    break
                began = time.monotonic()
                if began < probe_at:
                    continue
                result = self.part.probe()
                now = time.monotonic()
                trouble = detector.judge(result, began, now, partial(work_of, child.pid))
                if trouble is not None and child.alive:
                    return f"{trouble}: killed"
                probe_at = now + (self._intervals.well if result.health is Health.ANSWERS else self._intervals.doubtful)
        return None if self._leaving.is_set() else _exit_reason(child)

    def _end(self, child: Child) -> None:
        """Kill the rest of a process and its group, unless the stack is being stopped."""
        if self._leaving.is_set():
            return
        kill_group(child)
        reap(child.pid)
        await_group_end(child, 5.0)

    def _record_failure(self, trouble: str, error: str) -> None:
        """Record a failure, and wait until it is time to start the part again."""
        ready = time.monotonic() - self._ready_at if self._ready_at else 0.0
        if self._adopted is not None:
            # It was ready before this supervisor, for an unknown time: count that as long enough.
            ready, self._adopted = self._policy.quiet, None
        pause = self._policy.count_failure(ready)
        self._nudged.clear()
        if self._leaving.is_set():
            return
        failures = self._policy.failures
        if pause is None:
            log = f" Its log, {self.child.log}, ends:\n{tail(self.child.log)}" if self.child else ""
            reason = f"{trouble} (failure {failures} in a row).{log if log.strip() not in trouble else ''}"
            self._say(f"{self.part.name} is given up: {reason}\nTry again with: akin up")
            self._set_state("given up", failures=failures, reason=reason, error=error)
        else:
            named = trouble if trouble.startswith(self.part.name) else f"{self.part.name}: {trouble}"
            self._say(f"{named}; it is started again in {pause:g} s")
            self._set_state("restarting", failures=failures, reason=trouble, error=error)
        self.tried.set()
        self._nudged.wait(pause)
        self._nudged.clear()
        self.state = replace(self.state, restarts=self.state.restarts + 1)

    def _set_state(self, state: State, **more: object) -> None:
        self.state = replace(self.state, **{"state": state, "since": time.time(), **more})  # type: ignore[arg-type]
        self._changed()


def _exit_reason(child: Child) -> str:
    """Return how a process has ended, if this process can find out."""
    try:
        pid, status = os.waitpid(child.pid, os.WNOHANG)
    except ChildProcessError:
        return "has ended"
    if not pid:
        return "has ended"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"was ended by {signal.Signals(number).name if number in list(signal.Signals) else f'signal {number}'}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"
