"""The Triton server's files: how they are called, and with what environment.

They come out of the `nvidia-pytriton` wheel, or they are a whole installation with a Python of its own, as in NVIDIA's
images. SECURITY.md says what is known to be wrong with the wheel's server, and what closes it here.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from akin.errors import NotSetUp
from akin.settings import Settings
from akin.stack import triton_key
from akin.stack.shared_memory import region_prefix

PROGRAM = "bin/tritonserver"
# The first release without any flaw that was published when this was written: 26.07.
PATCHED = (2, 71)
# How often clients may ask whether the server is there, in milliseconds. gRPC's default is five minutes: it hangs up on
# those who ask more often, and the service asks every ten seconds.
PING_INTERVAL_MS = 5000


def is_installation(settings: Settings) -> bool:
    """Whether `AKIN_TRITON_HOME` is a whole installation: `/opt/tritonserver` in NVIDIA's images."""
    return (settings.triton_home / PROGRAM).is_file()


def wheel_server(settings: Settings) -> Path:
    """The server in the files of the wheel."""
    return settings.triton_home / "server/pytriton/tritonserver"


def server_command(
    settings: Settings,
    repository: Path,
    host: str,
    ports: tuple[int, int, int],
    *,
    key: str,
    http_host: str | None = None,
    switched: bool = True,
) -> list[str]:
    """Return the server's command line. Inference, health and metadata are open, all else asks for the key.

    Args:
        settings: Where the server's files are.
        repository: The folder of models.
        host: The address that gRPC and metrics listen on, and HTTP where it has none of its own.
        ports: HTTP, gRPC, metrics.
        key: What the other APIs ask for.
        http_host: The address that HTTP listens on.
        switched: Whether models are loaded and unloaded while it runs, by who has the key; otherwise it loads all that
            the folder holds at its start, and no other ever.

    Raises:
        NotSetUp: The server's files are not there.
    """
    http, grpc, metrics = ports
    return [
        str(settings.triton_home / PROGRAM if is_installation(settings) else wheel_server(settings) / PROGRAM),
        f"--model-repository={repository}",
        f"--backend-directory={backend_directory(settings)}",
        f"--model-control-mode={'explicit' if switched else 'none'}",
        "--disable-auto-complete-config",
        *(f"--http-address={http_host or host}", f"--http-port={http}"),
        *(f"--grpc-address={host}", f"--grpc-port={grpc}"),
        *(f"--metrics-address={host}", f"--metrics-port={metrics}"),
        f"--grpc-http2-min-recv-ping-interval-without-data={PING_INTERVAL_MS}",
        "--grpc-keepalive-permit-without-calls=1",
        # Other ways in, which heed no restriction before 26.04; an environment variable can open the second.
        *("--allow-sagemaker=false", "--allow-vertex-ai=false"),
        *triton_key.options(key),
        # Named so that what a killed server leaves behind can be told from another server's memory.
        f"--backend-config=python,shm-region-prefix-name={region_prefix(settings.run, grpc)}",
        "--exit-timeout-secs=5",
    ]


def is_patched(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Return True if the server is an installation that says it has the fixes of what was published."""
    found = re.match(r"(\d+)\.(\d+)", environ.get("TRITON_SERVER_VERSION", ""))
    return is_installation(settings) and found is not None and (int(found[1]), int(found[2])) >= PATCHED


def backend_directory(settings: Settings) -> Path:
    """A backend directory whose Python backend has the stub of this very Python beside it.

    An installation has one, made for its own Python.

    Raises:
        NotSetUp: The wheel is not there, or has no stub for this Python.
    """
    if is_installation(settings):
        return settings.triton_home / "backends"
    server = wheel_server(settings)
    name = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / name / "triton_python_backend_stub"
    if not (server / PROGRAM).is_file():
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


def server_environment(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the server and its Python stub find their libraries and packages.

    Raises:
        NotSetUp: This Python has no shared library, which the stub needs.
    """
    both = {"TOKENIZERS_PARALLELISM": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    if is_installation(settings):
        return {**base, **both}
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
        **both,
    }
