"""The Triton server's files: how they are called, and with what environment.

They come out of the `nvidia-pytriton` wheel, or they are a whole installation with a Python of its own, as in NVIDIA's
images.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from akin.errors import NotSetUp
from akin.settings import Settings

PROGRAM = "bin/tritonserver"


def installed(settings: Settings) -> bool:
    """Whether `AKIN_TRITON_HOME` is a whole installation: `/opt/tritonserver` in NVIDIA's images."""
    return (settings.triton_home / PROGRAM).is_file()


def wheel(settings: Settings) -> Path:
    """The server in the files of the wheel."""
    return settings.triton_home / "server/pytriton/tritonserver"


def server_command(settings: Settings, repository: Path, host: str, ports: tuple[int, int, int]) -> list[str]:
    """The server's command line; which models it loads is still to be said.

    Args:
        settings: Where the server's files are.
        repository: The folder of models.
        host: The address that all three listen on.
        ports: HTTP, gRPC, metrics.

    Raises:
        NotSetUp: The server's files are not there.
    """
    http, grpc, metrics = ports
    return [
        str(settings.triton_home / PROGRAM if installed(settings) else wheel(settings) / PROGRAM),
        f"--model-repository={repository}",
        f"--backend-directory={backends(settings)}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        *(f"--http-address={host}", f"--http-port={http}"),
        *(f"--grpc-address={host}", f"--grpc-port={grpc}"),
        *(f"--metrics-address={host}", f"--metrics-port={metrics}"),
        "--exit-timeout-secs=5",
    ]


def backends(settings: Settings) -> Path:
    """A backend directory whose Python backend has the stub of this very Python beside it.

    An installation has one, made for its own Python.

    Raises:
        NotSetUp: The wheel is not there, or has no stub for this Python.
    """
    if installed(settings):
        return settings.triton_home / "backends"
    server = wheel(settings)
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
    if installed(settings):
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
