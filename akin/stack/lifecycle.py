"""Start and stop the local stack: Triton, the service and the page, under a supervisor."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from akin.errors import AkinError, StackError
from akin.installation import IS_CLONE
from akin.messages import waiting_for
from akin.registry.versions import Version, promoted_number, promoted_version
from akin.stack.launching import module_command
from akin.stack.leftovers import kill_marked, mark_variables
from akin.stack.processes import (
    Child,
    await_end,
    command_lines,
    free_ports,
    kill_group,
    port_is_free,
    reap,
    send,
    start,
    stop,
    tail,
)
from akin.stack.record import PartState, Stack, find_running_stack, read
from akin.stack.shared_memory import remove_regions
from akin.stack.triton import TritonProcess, start_triton
from akin.stack.wait import wait_for
from akin.stack_settings import Settings
from akin.storage.locks import hold_lock

SUPERVISOR_SECONDS = 30.0
# Triton has five seconds to finish its work, and each process fifteen to end.
STOP_SECONDS = 45.0
LOOK_SECONDS = 0.05
_SECONDS_TO_WAIT = 120.0


def up(settings: Settings, say: Callable[[str], None]) -> Stack:
    """Start every part that is not running, and return when all parts are ready.

    Parts that run stay as they are, unless an earlier release has started them: those are stopped and started again.
    If no part ran before and one cannot be started, all are stopped again.

    Raises:
        StackError: A port is taken, or a process ended or did not get ready.
        EncoderError: No encoder was exported.
    """
    provide(settings, say)
    with command_lock(settings, say):
        stack = find_running_stack(settings)
        if stack is not None and stack.of_earlier_release:
            # Its Triton loads models without a key, and its page and service lack the present limits.
            promoted_version(settings.repository)
            say("the stack was started by an earlier release: restarting it")
            stop_all(settings, stack)
            stack = None
        fresh = stack is None
        attempts = 0
        if stack is not None and stack.supervised:
            if is_whole(stack):
                say("the stack is already running")
                return stack
            attempts = request_retry(settings, stack)
        else:
            prepare(settings, stack, say)
        supervisor = start_supervisor(settings) if stack is None or not stack.supervised else stack.supervisor
        assert supervisor is not None
    try:
        return await_ready(settings, supervisor, attempts, say, stack)
    except BaseException:
        if fresh:
            with contextlib.suppress(StackError):
                stop_if_owned(settings, supervisor)
        raise


def provide(settings: Settings, say: Callable[[str], None]) -> None:
    """Make what an installed wheel lacks at its first use: the server, and the encoder if its package is installed.

    A clone has both from `make setup` and `akin encoder export`.

    Raises:
        BadSetting: The server cannot run where the folders are.
        NotSetUp: There is no server for this machine, or it cannot be installed.
        EncoderError: The packaged encoder is damaged, or the model repository cannot be written.
    """
    if IS_CLONE:
        return
    # Imported here as they import much that a supervisor does not need.
    from akin.registry.packaged import publish_packaged
    from akin.stack.server_setup import set_up_server

    set_up_server(settings, say)
    if promoted_number(settings.repository) is None and (number := publish_packaged(settings.repository, say)):
        say(f"encoder version {number} is made from the package akin-encoder")


def prepare(settings: Settings, stack: Stack | None, say: Callable[[str], None]) -> None:
    """Check that the stack can be started, and remove what an earlier one has left.

    Raises:
        StackError: A port is taken.
        EncoderError: No encoder was exported.
    """
    promoted_version(settings.repository)
    if stack is None:
        clear(settings)
        check_ports(settings)
        return
    say("the supervisor had stopped: a new one takes over the running parts")
    dead = [child.name for child in stack.children if not child.alive]
    if dead:
        say(f"{' and '.join(dead)} had stopped: starting again")


def is_whole(stack: Stack) -> bool:
    """Return True if every part of a supervised stack runs and is ready."""
    return bool(stack.parts) and all(stack.state(part.name) == "running" for part in stack.parts)


def request_retry(settings: Settings, stack: Stack) -> int:
    """Make a running supervisor start at once the parts that were given up or wait for their restart.

    Returns:
        The number of this attempt; states that the supervisor records before it are out of date.
    """
    assert stack.supervisor is not None
    send(stack.supervisor, signal.SIGUSR1)
    return stack.attempts + 1


def start_supervisor(settings: Settings) -> Child:
    """Start a supervisor, and return it when it owns the stack.

    Raises:
        StackError: The supervisor ended or did not start in time.
    """
    log = settings.logs / "supervisor.log"
    child = start(
        "the supervisor",
        module_command("akin.stack.supervisor"),
        {**os.environ, **settings.environment, **mark_variables(settings.run)},
        log,
    )
    deadline = time.monotonic() + SUPERVISOR_SECONDS
    try:
        while (stack := read(settings)) is None or stack.supervisor != child:
            if not child.alive or time.monotonic() > deadline:
                raise StackError(f"the supervisor did not start. Its log, {log}, ends:\n{tail(log)}")
            time.sleep(LOOK_SECONDS)
    except BaseException:
        stop([child])
        raise
    return child


def await_ready(
    settings: Settings, supervisor: Child, attempt: int, say: Callable[[str], None], before: Stack | None
) -> Stack:
    """Wait until every part is ready.

    Args:
        settings: Where the record is.
        supervisor: The process that starts the parts.
        attempt: The number of the requested attempt.
        say: Prints a line for each part that is started.
        before: The stack before this command; None if there was none.

    Raises:
        AkinError: A part failed; the class is that of the part's own error.
        StackError: The stack was stopped meanwhile.
    """
    reported = {part.name for part in before.parts if before.state(part.name) == "running"} if before else set()
    while True:
        stack = read(settings)
        if stack is None or stack.supervisor != supervisor:
            raise StackError("the stack was stopped by another command while it started.")
        if not supervisor.alive:
            raise StackError(
                f"the supervisor stopped by itself. Its log, {supervisor.log}, ends:\n{tail(supervisor.log)}\n"
                "The parts that it started continue; start a new supervisor with: akin up"
            )
        if stack.attempts >= attempt:
            for part in stack.parts:
                if part.state in ("starting", "running") and part.name not in reported:
                    reported.add(part.name)
                    say(f"starting {part.name}{describe_encoders(stack) if part.name == 'Triton' else ''}")
                if has_failed(part, first=before is None):
                    raise error_of(part, stopped=before is None)
            if is_whole(stack):
                return stack
        reap(supervisor.pid)
        time.sleep(LOOK_SECONDS)


def describe_encoders(stack: Stack) -> str:
    """Return the encoder versions that Triton serves as text; nothing before the supervisor has recorded them."""
    if not stack.encoders:
        return ""
    return f" with encoder version {' and '.join(map(str, stack.encoders))}"


def has_failed(part: PartState, *, first: bool) -> bool:
    """Return True if the start of a part has failed for good.

    During a stack's first start every failure counts. Later, a part that ended while it ran is restarted: wait for it.
    """
    if part.state == "given up":
        return True
    return part.failures > 0 and part.state in ("restarting", "starting") and (first or bool(part.error))


def error_of(part: PartState, *, stopped: bool) -> AkinError:
    """Return the error of a part that failed to start, in the class that its supervisor has recorded."""
    kinds = {kind.__name__: kind for kind in AkinError.__subclasses__()}
    # The errors of this project already name the part.
    text = part.reason if part.error in kinds else f"{part.name}: {part.reason}."
    if not stopped:
        text += "\nThe other parts continue, and the supervisor tries again for a while: see `akin status`."
    return kinds.get(part.error, StackError)(text)


def stop_if_owned(settings: Settings, supervisor: Child) -> None:
    """Stop the stack that this command has just started, unless another command has replaced its supervisor."""
    with command_lock(settings):
        stack = read(settings)
        if stack is None or stack.supervisor == supervisor:
            stop_all(settings, stack)
            command_lock_path(settings).unlink(missing_ok=True)


def down(settings: Settings, say: Callable[[str], None] | None = None) -> list[str]:
    """Stop the stack and remove what it leaves; return the names of the stopped parts.

    Args:
        settings: The settings of the stack.
        say: Called with what is waited for, if another command is starting or stopping the stack.

    Raises:
        StackError: Another command is starting or stopping the stack.
    """
    with command_lock(settings, say):
        stopped = stop_all(settings, read(settings))
        command_lock_path(settings).unlink(missing_ok=True)
        return stopped


def stop_all(settings: Settings, stack: Stack | None) -> list[str]:
    """Stop the supervisor, then the other processes; return the names of those that ran."""
    alive = [child.name for child in reversed(stack.children) if child.alive] if stack else []
    if stack is not None and stack.supervisor is not None and stack.supervisor.alive:
        # The supervisor first, so that it does not restart the parts.
        alive = alive or [stack.supervisor.name]
        send(stack.supervisor, signal.SIGTERM)
        await_end([stack.supervisor], STOP_SECONDS)
        kill_group(stack.supervisor)
        await_end([stack.supervisor], 5.0)
        reap(stack.supervisor.pid)
    left = read(settings) or stack
    stop(list(reversed(left.children)) if left else [])
    cleared = clear(settings)
    return alive or (["the remains of an earlier stack"] if cleared else [])


def clear(settings: Settings) -> bool:
    """Remove what a stack has left: processes, shared memory, files in its run folder.

    Returns:
        True if there were processes or shared memory.
    """
    killed = kill_marked(settings.run)
    removed = remove_regions(settings.run)
    if settings.run.is_dir():
        used = command_lines()
        for path in settings.run.iterdir():
            # Keep the files of a Triton that another command runs from here, and the lock that this command holds.
            if str(path) in used or path == command_lock_path(settings):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return bool(killed or removed)


def command_lock_path(settings: Settings) -> Path:
    """Return the file that `command_lock` locks."""
    return settings.run / "command.lock"


def command_lock(
    settings: Settings, say: Callable[[str], None] | None = None
) -> contextlib.AbstractContextManager[None]:
    """Return the lock that prevents two commands from starting or stopping the stack at the same time.

    Args:
        settings: Where the lock is.
        say: Called with what is waited for, if another command holds the lock.

    Raises:
        StackError: The data folder cannot be written.
    """
    try:
        settings.run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"cannot write {error.filename}: {error.strerror}. Set AKIN_DATA to another folder."
        ) from error
    busy = f"another `akin up` or `akin down` is running for {settings.data}: try again when it has ended."
    waiting = waiting_for(say, f"starts or stops the stack of {settings.data}", _SECONDS_TO_WAIT) if say else None
    return hold_lock(command_lock_path(settings), _SECONDS_TO_WAIT, StackError(busy), waiting)


@contextlib.contextmanager
def encoder_server(settings: Settings, say: Callable[[str], None]) -> Iterator[tuple[str, Version]]:
    """Yield the address of a Triton that serves the promoted encoder, and the encoder's version.

    The Triton is the one of `AKIN_TRITON_URL` if that is set, else the running stack's, else one for this command only.
    """
    if not settings.triton_url:
        provide(settings, say)
    version = wait_for("an encoder", lambda: promoted_version(settings.repository), settings.wait_seconds, say)
    if settings.triton_url:
        # Imported here as it imports the service, which a supervisor does not need.
        from akin.stack.remote_triton import await_encoder

        await_encoder(settings.triton_url, version, settings.wait_seconds, say)
        yield settings.triton_url, version
        return
    stack = find_running_stack(settings)
    if stack is not None and version.number in stack.encoders and stack.serves:
        yield f"grpc://{stack.triton}", version
        return
    say(f"starting Triton with encoder version {version.number} for this command")
    http, grpc, metrics = free_ports(3)
    triton: TritonProcess = start_triton(
        settings, (http, grpc, metrics), version, settings.logs / "triton-command.log", tied=True
    )
    try:
        yield f"grpc://{triton.grpc}", version
    finally:
        stop([triton.child])
        remove_regions(settings.run, grpc)


def check_can_start(settings: Settings) -> None:
    """Check long before a stack is started that its ports are free; remove what an earlier stack has left.

    Raises:
        StackError: A port is taken.
    """
    with command_lock(settings):
        if find_running_stack(settings) is None:
            clear(settings)
            check_ports(settings)


def check_ports(settings: Settings) -> None:
    """Check that every port of the stack is free.

    Raises:
        StackError: One is taken.
    """
    for host, number, name in (
        ("127.0.0.1", settings.triton_http_port, "AKIN_TRITON_HTTP_PORT"),
        ("127.0.0.1", settings.triton_grpc_port, "AKIN_TRITON_GRPC_PORT"),
        ("127.0.0.1", settings.triton_metrics_port, "AKIN_TRITON_METRICS_PORT"),
        (settings.service_host, settings.service_port, "AKIN_SERVICE_PORT"),
        (settings.service_metrics_host, settings.service_metrics_port, "AKIN_SERVICE_METRICS_PORT"),
        (settings.ui_host, settings.ui_port, "AKIN_UI_PORT"),
    ):
        if number and not port_is_free(number, host):
            raise StackError(
                f"port {number} ({name}) is taken by another process: stop that, or set {name} to a free port."
            )
