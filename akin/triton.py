"""An embedded Triton: the server out of the `nvidia-pytriton` wheel, run on this machine without Docker."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from akin.errors import EncoderError, NotSetUp
from akin.processes import Child, start, stop, tail, wait_until
from akin.registry import MODEL, Version
from akin.settings import Settings

# Warming every shape of an encoder takes seconds on two quiet cores; this is for slow and busy ones.
LOAD_SECONDS = 300.0
START_SECONDS = 60.0


@dataclass(frozen=True)
class Triton:
    """A running Triton.

    Attributes:
        child: Its process.
        http: Its HTTP address, `127.0.0.1:8000`.
        grpc: Its gRPC address, `127.0.0.1:8001`.
    """

    child: Child
    http: str
    grpc: str


def start_triton(
    settings: Settings,
    ports: tuple[int, int, int],
    version: Version,
    log: Path,
    *,
    beside: Sequence[int] = (),
    tied: bool = False,
) -> Triton:
    """Starts a server on the ports (HTTP, gRPC, metrics) and loads a version of the encoder, and those `beside`, warm.

    A `tied` server ends when this process does, however that happens. The model that `AKIN_ENCODER_INNER` names is
    loaded before the encoder, which calls it.

    Raises:
        NotSetUp: The server's files are not there, or Python's shared library is not.
        StackError: It did not start.
        EncoderError: It does not load the encoder.
    """
    http, grpc, metrics = ports
    command: list[str | Path] = [
        settings.triton_home / "server/pytriton/tritonserver/bin/tritonserver",
        f"--model-repository={settings.repository}",
        f"--backend-directory={backends(settings)}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        *("--http-address=127.0.0.1", f"--http-port={http}"),
        *("--grpc-address=127.0.0.1", f"--grpc-port={grpc}"),
        *("--metrics-address=127.0.0.1", f"--metrics-port={metrics}"),
        "--exit-timeout-secs=5",
    ]
    inner = os.environ.get("AKIN_ENCODER_INNER")
    if inner:
        command.append(f"--load-model={inner}")
    child = start("Triton", command, environment(settings, os.environ), log, tied=tied)
    triton = Triton(child, f"127.0.0.1:{http}", f"127.0.0.1:{grpc}")
    try:
        wait_until(lambda: is_live(triton.http), child, START_SECONDS)
        load(triton.http, settings.repository, [version.number, *beside], log)
    except BaseException:
        stop([child])
        raise
    return triton


def load(http: str, repository: Path, numbers: Sequence[int], log: Path | str) -> None:
    """Makes a server serve these versions and no others: a version that stays is ready all the while.

    Which ones is said in the request, as `config.pbtxt` belongs to all of them.

    Raises:
        EncoderError: Triton refuses; the message carries Triton's reason.
    """
    named = " and ".join(map(str, numbers))
    body = {"parameters": {"config": json.dumps(model_config(repository, *numbers))}}
    try:
        answer = httpx.post(f"http://{http}/v2/repository/models/{MODEL}/load", json=body, timeout=LOAD_SECONDS)
    except httpx.HTTPError as error:
        raise EncoderError(
            f"Triton did not load encoder version {named} ({error!r}). Its log ends:\n{tail(log)}"
        ) from error
    if answer.is_error:
        raise EncoderError(f"Triton refuses encoder version {named}: {answer.text[:600]}\nSee {log}.")


def model_config(repository: Path, *numbers: int) -> dict[str, object]:
    """`config.pbtxt` as Triton's JSON, with the versions to serve.

    Raises:
        EncoderError: The file is missing, or is not a Triton model configuration.
    """
    from google.protobuf import json_format, text_format
    from tritonclient.grpc import model_config_pb2

    path = repository / MODEL / "config.pbtxt"
    try:
        config = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except (OSError, text_format.ParseError) as error:
        raise EncoderError(f"{path} cannot be used: {error}") from error
    config.version_policy.specific.versions[:] = numbers
    return dict(json_format.MessageToDict(config, preserving_proto_field_name=True))


def is_live(http: str) -> bool:
    """Whether a Triton answers at an address."""
    return answers(f"http://{http}/v2/health/live")


def is_ready(http: str, number: int) -> bool:
    """Whether it serves this version of the encoder."""
    return answers(f"http://{http}/v2/models/{MODEL}/versions/{number}/ready")


def answers(url: str) -> bool:
    """Whether a GET is answered with 200 within a second."""
    try:
        return httpx.get(url, timeout=1.0).status_code == 200
    except httpx.HTTPError:
        return False


def backends(settings: Settings) -> Path:
    """A backend directory whose Python backend has the stub of this very Python beside it.

    Raises:
        NotSetUp: The wheel is not there, or has no stub for this Python.
    """
    server = settings.triton_home / "server/pytriton/tritonserver"
    name = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / name / "triton_python_backend_stub"
    if not (server / "bin/tritonserver").is_file():
        raise NotSetUp(f"no Triton server in {settings.triton_home}: run `make setup`.")
    if not stub.is_file():
        raise NotSetUp(f"Triton's Python backend has no stub for Python {name}: set up with Python 3.11 to 3.13.")
    made = settings.run / f"triton-backends-{name}"
    python = made / "python"
    python.mkdir(parents=True, exist_ok=True)
    source = server / "backends/python"
    for target in (source / "libtriton_python.so", source / "triton_python_backend_utils.py", stub):
        link = python / target.name
        if not link.is_symlink() or link.readlink() != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    return made


def environment(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the server and its Python stub find their libraries and packages.

    Raises:
        NotSetUp: This Python has no shared library, which the stub needs.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = f"libpython{python}.so.1.0"
    libdir = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    places = dict.fromkeys([libdir, Path(sys.base_prefix) / "lib", Path("/usr/lib/x86_64-linux-gnu")])
    home = next((place for place in places if (place / wanted).exists()), None)
    if home is None:
        raise NotSetUp(
            f"{wanted} is not in {', '.join(map(str, places))}: Triton's Python backend needs it. "
            f"Install it (Debian: libpython{python}) or set up with a Python built with --enable-shared."
        )
    paths = [str(settings.triton_home / "server/nvidia_pytriton.libs"), str(home), base.get("LD_LIBRARY_PATH", "")]
    return {
        **base,
        # The stub takes its packages from the first Python on PATH: one with NumPy 1, which it was compiled against.
        "PATH": f"{settings.triton_home / 'python/bin'}:{base.get('PATH', '')}",
        "LD_LIBRARY_PATH": ":".join(filter(None, paths)),
        "TOKENIZERS_PARALLELISM": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
