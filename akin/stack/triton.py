"""Run the Triton of the `nvidia-pytriton` wheel on this machine, without Docker, and load encoders into it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from akin.errors import EncoderError
from akin.registry.versions import CONFIG, MODEL, RERANKER, Version, check_files, promoted_number
from akin.stack import local_http, triton_key
from akin.stack.processes import Child, start, stop, tail, wait_until
from akin.stack.tritonserver import server_command, server_environment
from akin.stack_settings import Settings, encoder_settings

# Running every shape of an encoder once takes seconds on two idle cores; slow and busy machines need more.
LOAD_SECONDS = 300.0
START_SECONDS = 60.0


@dataclass(frozen=True)
class TritonProcess:
    """Running Triton.

    Attributes:
        child: Its process.
        http: Its HTTP address, `127.0.0.1:8000`.
        grpc: Its gRPC address, `127.0.0.1:8001`.
        key: The key to its APIs other than inference, health and metadata.
    """

    child: Child
    http: str
    grpc: str
    key: str = field(repr=False)


def start_triton(
    settings: Settings,
    ports: tuple[int, int, int],
    version: Version,
    log: Path,
    *,
    beside: Sequence[int] = (),
    tied: bool = False,
    started: Callable[[Child], None] = lambda _: None,
) -> TritonProcess:
    """Start a server and load versions of the encoder into it; return when they are ready.

    Args:
        settings: Where the server, the model repository and the run folder are.
        ports: HTTP, gRPC, metrics.
        version: The version to load. The model named by `AKIN_ENCODER_INNER` is loaded first, as the encoder calls it.
        log: The file of the server's output.
        beside: Further versions to load.
        tied: True if the server must end when this process ends. It then has a key of its own; otherwise it has the key
            in the run folder, which later commands read.
        started: Called with the process as soon as it exists; an exception that it raises stops the server.

    Raises:
        BadSetting: A setting of the encoder cannot be used.
        NotSetUp: The server's files or Python's shared library are missing.
        StackError: The server did not start.
        EncoderError: The server did not load the encoder.
    """
    inner = encoder_settings(os.environ).encoder_inner
    http, grpc, _ = ports
    key = triton_key.new() if tied else triton_key.make(settings)
    command = server_command(settings, settings.repository, "127.0.0.1", ports, key=key)
    # The Python in the server imports from its current folder first: a numpy.py of the user must not lie there.
    environment = server_environment(settings, os.environ)
    child = start("Triton", command, environment, log, tied=tied, folder=log.parent)
    triton = TritonProcess(child, f"127.0.0.1:{http}", f"127.0.0.1:{grpc}", key)
    try:
        started(child)
        wait_until(lambda: is_live(triton.http), child, START_SECONDS)
        if not triton_key.hide(child.pid, key):
            warn_of_visible_key()
        if inner:
            load_model(triton.http, inner, {}, f"the model {inner}", log, key)
        load(triton.http, settings.repository, [version.number, *beside], log, key=key)
        load_reranker(triton.http, settings.repository, log, key=key)
    except BaseException:
        stop([child])
        raise
    return triton


@functools.cache
def warn_of_visible_key() -> None:
    """Warn on standard error, once in a process, that other users of this machine can read Triton's key."""
    # On a full disk the warning cannot be written; start all the same.
    with contextlib.suppress(OSError):
        print(
            "warning: Triton's key could not be hidden: every user of this machine can read it among the arguments of "
            "its process. See SECURITY.md.",
            file=sys.stderr,
            flush=True,
        )


def load(http: str, repository: Path, numbers: Sequence[int], log: Path | str, *, key: str) -> None:
    """Make a server serve exactly these versions; those that it already serves stay ready meanwhile.

    The request names the versions, as `config.pbtxt` belongs to all of them.

    Raises:
        EncoderError: A file of a version is damaged, or Triton refuses; the message holds Triton's reason.
    """
    for number in numbers:
        check_files(repository, number)
    body = {"parameters": {"config": json.dumps(model_config(repository, *numbers))}}
    load_model(http, MODEL, body, f"encoder version {' and '.join(map(str, numbers))}", log, key)


def load_reranker(http: str, repository: Path, log: Path | str, *, key: str) -> bool:
    """Load the promoted version of the reranker if there is one; return True if it serves.

    A reranker that cannot be loaded is reported on standard error: searches work without it.
    """
    try:
        number = promoted_number(repository, RERANKER)
        if number is None:
            return False
        check_files(repository, number, RERANKER)
        body = {"parameters": {"config": json.dumps(model_config(repository, number, model=RERANKER))}}
        load_model(http, RERANKER, body, f"reranker version {number}", log, key)
    except EncoderError as error:
        with contextlib.suppress(OSError):
            print(f"warning: searches are not reranked: {error}", file=sys.stderr, flush=True)
        return False
    return True


def load_model(http: str, model: str, body: Mapping[str, object], named: str, log: Path | str, key: str) -> None:
    """Load a model into a server.

    Raises:
        EncoderError: Triton refuses; the message holds Triton's reason.
    """
    url = f"http://{http}/v2/repository/models/{model}/load"
    try:
        answer = local_http.post(url, body, headers={triton_key.HEADER: key}, timeout=LOAD_SECONDS)
    except httpx.HTTPError as error:
        raise EncoderError(f"Triton did not load {named} ({error!r}). Its log ends:\n{tail(log)}") from error
    if answer.status_code == httpx.codes.FORBIDDEN:
        raise EncoderError(
            f"Triton at {http} does not accept the key in the run folder, as it was started with another one. "
            "Run `akin down`, then `akin up`."
        )
    if answer.is_error:
        raise EncoderError(f"Triton refuses {named}: {answer.text[:600]}\nSee {log}.")


def model_config(repository: Path, *numbers: int, model: str = MODEL) -> dict[str, object]:
    """Return `config.pbtxt` as Triton's JSON, with the versions to serve.

    Raises:
        EncoderError: The file is missing, or is not a model configuration of Triton.
    """
    from google.protobuf import json_format, text_format
    from tritonclient.grpc import model_config_pb2

    path = repository / model / CONFIG
    try:
        config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except (OSError, text_format.ParseError) as error:
        raise EncoderError(f"{path} cannot be used: {error}") from error
    config.version_policy.specific.versions[:] = numbers
    return dict(json_format.MessageToDict(config, preserving_proto_field_name=True))


def is_live(http: str) -> bool:
    """Return True if a Triton answers at an address."""
    return answers(f"http://{http}/v2/health/live")


def is_ready(http: str, number: int) -> bool:
    """Return True if a Triton serves a version of the encoder."""
    return answers(f"http://{http}/v2/models/{MODEL}/versions/{number}/ready")


def answers(url: str) -> bool:
    """Return True if a GET is answered with 200 within a second."""
    try:
        return local_http.get(url, timeout=1.0).status_code == 200
    except httpx.HTTPError:
        return False
