"""Compose the command line and the environment of a Triton server.

The server's files come from the `nvidia-pytriton` wheel, or are an installation with its own Python, as in NVIDIA's
images. SECURITY.md lists the known flaws of the wheel's server and the measures against them.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from akin.edge import tracing
from akin.errors import BadSetting, NotSetUp
from akin.installation import SETUP
from akin.stack import triton_key
from akin.stack.shared_memory import region_prefix
from akin.stack_settings import Settings

PROGRAM = "bin/tritonserver"
# The first release without a flaw known at the time of writing: 26.07.
PATCHED = (2, 71)
# The shortest time between two keepalive pings of a client, in milliseconds. By gRPC's default of five minutes the
# server would close the connections of the service, which pings every ten seconds.
PING_INTERVAL_MS = 5000
# One request in so many begins a trace: none. A request with a `traceparent` continues its own.
NEVER = 2_000_000_000


def is_installation(settings: Settings) -> bool:
    """Return True if `AKIN_TRITON_HOME` is a whole installation, as `/opt/tritonserver` in NVIDIA's images."""
    return (settings.triton_home / PROGRAM).is_file()


def wheel_server(settings: Settings) -> Path:
    """Return the folder of the server in the files of the wheel."""
    return settings.triton_home / "server/pytriton/tritonserver"


def require_plain_paths(*paths: Path) -> None:
    """Check that the server's Python backend can start with these paths.

    It passes them to a shell without quotes, and the Python inside it decodes them as ASCII, whatever the locale.

    Raises:
        BadSetting: A path has a space, a letter beyond ASCII, or a sign that a shell reads as its own.
    """
    for path in paths:
        if found := re.search(r"[^A-Za-z0-9_@%+=:,./~-]", str(path)):
            raise BadSetting(
                f"Triton cannot run a model below {path}, as the path holds {found[0]!r}: set AKIN_DATA (and "
                "AKIN_MODEL_REPOSITORY, AKIN_TRITON_HOME, if set) to a folder of plain letters, such as /var/tmp/akin."
            )


def server_command(
    settings: Settings,
    repository: Path,
    host: str,
    ports: tuple[int, int, int],
    *,
    key: str,
    http_host: str | None = None,
    switched: bool = True,
    partial: bool = False,
) -> list[str]:
    """Return the server's command line. All APIs other than inference, health and metadata require the key.

    Args:
        settings: Where the server's files are.
        repository: The folder of models.
        host: The address of gRPC and metrics, and of HTTP if it has none of its own.
        ports: HTTP, gRPC, metrics.
        key: The key.
        http_host: The address of HTTP.
        switched: True if models can be loaded and unloaded, with the key, while the server runs; if False it loads all
            models of the folder at its start and none later.
        partial: True if it serves the other models when one cannot be loaded at its start; if False it ends.

    Raises:
        BadSetting: The path of one of these has a sign that the server's Python backend does not bear.
        NotSetUp: The server's files are missing.
    """
    http, grpc, metrics = ports
    require_plain_paths(settings.run, settings.triton_home, repository)
    return [
        str(settings.triton_home / PROGRAM if is_installation(settings) else wheel_server(settings) / PROGRAM),
        f"--model-repository={repository}",
        f"--backend-directory={backend_directory(settings)}",
        f"--model-control-mode={'explicit' if switched else 'none'}",
        f"--exit-on-error={'false' if partial else 'true'}",
        "--disable-auto-complete-config",
        *(f"--http-address={http_host or host}", f"--http-port={http}"),
        *(f"--grpc-address={host}", f"--grpc-port={grpc}"),
        *(f"--metrics-address={host}", f"--metrics-port={metrics}"),
        f"--grpc-http2-min-recv-ping-interval-without-data={PING_INTERVAL_MS}",
        "--grpc-keepalive-permit-without-calls=1",
        # Before 26.04 these two interfaces ignore the key; an environment variable can enable the second.
        *("--allow-sagemaker=false", "--allow-vertex-ai=false"),
        *triton_key.options(key),
        # So that the memory that a killed server leaves is distinct from that of other servers.
        f"--backend-config=python,shm-region-prefix-name={region_prefix(settings.run, grpc)}",
        "--exit-timeout-secs=5",
        *_trace_options(settings),
    ]


def _trace_options(settings: Settings) -> list[str]:
    """Return the options with which the server continues the traces of requests that bring one, and starts none."""
    if not (collector := tracing.endpoint(settings.traces)):
        return []
    return [
        *("--trace-config=mode=opentelemetry", "--trace-config=level=TIMESTAMPS", f"--trace-config=rate={NEVER}"),
        f"--trace-config=opentelemetry,url={collector}/v1/traces",
        "--trace-config=opentelemetry,resource=service.name=akin-triton",
    ]


def is_patched(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Return True if the server is an installation whose version has the fixes of the published flaws."""
    found = re.match(r"(\d+)\.(\d+)", environ.get("TRITON_SERVER_VERSION", ""))
    return is_installation(settings) and found is not None and (int(found[1]), int(found[2])) >= PATCHED


def server_python(settings: Settings) -> tuple[str, Path]:
    """Return the version of the Python that runs the model in the wheel's server, such as 3.11, and its folder."""
    python = settings.triton_home / "python"
    try:
        lines = (python / "pyvenv.cfg").read_text("utf-8").splitlines()
    except OSError:
        return f"{sys.version_info.major}.{sys.version_info.minor}", Path(sys.base_prefix)
    found = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    version = (found.get("version") or found.get("version_info") or "").split(".")  # of venv, of uv
    # The file names the folder of a link, such as ~/.local/bin; the libraries lie beside the program itself.
    return ".".join(version[:2]), (python / "bin/python").resolve().parent.parent


def backend_directory(settings: Settings) -> Path:
    """Return a backend directory whose Python backend has the server's stub; make it for the wheel's server.

    Raises:
        NotSetUp: The wheel is missing, or has no stub for the server's Python.
    """
    if is_installation(settings):
        return settings.triton_home / "backends"
    server = wheel_server(settings)
    name, _ = server_python(settings)
    stub = server / "python_backend_stubs" / name / "triton_python_backend_stub"
    if not (server / PROGRAM).is_file():
        raise NotSetUp(f"no Triton server in {settings.triton_home}: run {SETUP}.")
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
    """Return the environment in which the server and its Python stub find their libraries and packages.

    Raises:
        NotSetUp: The server's Python has no shared library, which the stub needs.
    """
    both = {"TOKENIZERS_PARALLELISM": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    if is_installation(settings):
        return {**base, **both}
    python, prefix = server_python(settings)
    paths = [str(settings.triton_home / "server/nvidia_pytriton.libs")]
    wanted = f"libpython{python}.so.1.0"
    libdir = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    places = dict.fromkeys([prefix / "lib", libdir, Path("/usr/lib/x86_64-linux-gnu")])
    home = next((place for place in places if (place / wanted).exists()), None)
    if home is not None:
        paths.append(str(home))
    # The wheel has the library of its newest Python, under a name of its own, which that Python's stub asks for.
    elif not any(Path(paths[0]).glob(f"libpython3-*.{python.partition('.')[2]}.so.1.0")):
        raise NotSetUp(
            f"{wanted} is not in {', '.join(map(str, places))}: Triton's Python backend needs it. "
            f"Install it (Debian: libpython{python}) or set up with a Python built with --enable-shared."
        )
    paths.append(base.get("LD_LIBRARY_PATH", ""))
    return {
        **base,
        # The stub uses the packages of the first Python on PATH; it was compiled against that one's NumPy 1.
        "PATH": f"{settings.triton_home / 'python/bin'}:{base.get('PATH', '')}",
        "LD_LIBRARY_PATH": ":".join(filter(None, paths)),
        **both,
    }
