"""Use the running stack, or start one with `akin` and stop it after the measurement."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.errors import BadOption, StackFailed, TargetUnreachable
from loadtests.options import Options

_SECONDS_TO_STOP = 40


@dataclass(frozen=True)
class MeasuredStack:
    """Stack under measurement.

    Attributes:
        service: The address of the service.
        triton: The address of Triton's gRPC, if known.
        processes: Names and ids of its processes on this machine, if known.
        started: True if it was started for this run.
    """

    service: str
    triton: str | None
    processes: dict[str, int]
    started: bool


@contextlib.contextmanager
def use_stack(options: Options, say: Callable[[str], None]) -> Iterator[MeasuredStack]:
    """Yield the stack to measure; at the end, stop it if it was started here.

    Raises:
        StackFailed: The stack cannot be started, or its index cannot be built.
        BadOption: The running stack searches other papers than `--corpus`.
        TargetUnreachable: Some processes of the running stack have stopped.
    """
    if options.service is not None:
        yield _given_service(options, options.service)
        return
    status = read_status(options.akin)
    if status.get("running"):
        _check_corpus(options, status["service"])
        yield _measured_stack(status, options, started=False)
        return
    if any(process["alive"] for process in status.get("processes", [])):
        raise TargetUnreachable("only part of the stack runs: see `akin status`, and stop it with `akin down`.")
    if options.corpus is not None and _live_source(options.akin) != _source(options.corpus):
        run_akin(options.akin, "index", "build", options.corpus, say=say)
    try:
        run_akin(options.akin, "up", say=say)
        yield _measured_stack(read_status(options.akin), options, started=True)
    finally:
        say("stopping the stack that was started for this run")
        subprocess.run([options.akin, "down"], check=False, stdin=subprocess.DEVNULL, start_new_session=True)


def _given_service(options: Options, service: str) -> MeasuredStack:
    """Return the service of `--service`, with its processes if it is the local stack's."""
    try:
        status = read_status(options.akin)
    except StackFailed:
        # The service may run in containers or on another machine; then `akin` is not needed here.
        status = {}
    if status.get("service") == service:
        return _measured_stack(status, options, started=False)
    return MeasuredStack(service, options.triton, {}, started=False)


def _measured_stack(status: dict[str, Any], options: Options, *, started: bool) -> MeasuredStack:
    processes = {process["name"]: process["pid"] for process in status["processes"] if process["alive"]}
    return MeasuredStack(status["service"], options.triton or status["triton"], processes, started)


def _check_corpus(options: Options, service: str) -> None:
    if options.corpus is None:
        return
    live = _live_source(options.akin)
    if live != _source(options.corpus):
        raise BadOption(
            f"the running stack at {service} searches {live or 'nothing'}, not {_source(options.corpus)}: index it "
            f"(akin index build {options.corpus}), or stop the stack (akin down), or leave the corpus out."
        )


def _source(corpus: str) -> str:
    """Return the source that a snapshot of this corpus has."""
    return corpus if corpus == "sample" else Path(corpus).name


def _live_source(akin: Path) -> str | None:
    found = akin_json(akin, "index", "list", "--json")
    return next((each.get("source") for each in found if each.get("live")), None)


def read_status(akin: Path) -> dict[str, Any]:
    """Return what `akin status` says of the local stack."""
    found = akin_json(akin, "status", "--json")
    return found if isinstance(found, dict) else {}


def akin_json(akin: Path, *arguments: str) -> Any:
    """Return the JSON that a command of `akin` prints, with any exit code (`status` fails if nothing runs)."""
    try:
        done = subprocess.run([akin, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise StackFailed(f"{akin} cannot be run ({error.strerror}): run `make setup`.") from error
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise StackFailed(f"`akin {' '.join(arguments)}` does not print JSON: {said}") from error


def run_akin(akin: Path, *arguments: str, say: Callable[[str], None]) -> None:
    """Run a command of `akin` to its end.

    Raises:
        StackFailed: It failed.
    """
    say(f"akin {' '.join(arguments)}")
    # In a session of its own: Ctrl-C then reaches it once, from here, and it has time to stop its processes.
    process = subprocess.Popen(
        [akin, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait(_SECONDS_TO_STOP)
        raise
    if process.returncode:
        raise StackFailed(f"`akin {' '.join(arguments)}` failed; its messages are above.")
