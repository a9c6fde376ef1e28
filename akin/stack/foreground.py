"""Triton in the foreground: `python -m akin.stack.foreground` becomes a Triton that serves the promoted encoder.

What a container runs. It needs neither the command line's libraries nor the service's. Nothing is loaded into this
server after its start, and nobody has the key to its other APIs: the one version to load is named in a copy of
`config.pbtxt`, in a folder that shows Triton the model repository without being it: that one may be read-only. On a GPU
the same goes for the model that does the encoder's arithmetic (`AKIN_ENCODER_INNER`).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NoReturn

from akin.errors import AkinError, BadSetting, EncoderError, StackError
from akin.registry.versions import MODEL, Version, promoted_version
from akin.settings import Settings, encoder_settings
from akin.stack import triton_key
from akin.stack.tritonserver import is_patched, server_command, server_environment
from akin.stack.wait import wait_for
from edge import is_loopback, reason_of


def main() -> NoReturn:
    """Becomes the server, or ends with a line that says what kept it from that, and an exit code."""
    # Python would print a trace, and the first process of a container ignores what it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    try:
        settings = Settings.read()
        command, environment = prepare(settings, os.environ)
    except AkinError as error:
        say(str(error))
        sys.exit(error.exit_code)
    os.execve(command[0], command, environment)


def prepare(settings: Settings, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The server's command line and environment, once there is an encoder to serve.

    Raises:
        BadSetting: A setting of the encoder cannot be used, or Triton's HTTP could be reached from elsewhere.
        StackError: A port is taken, or the folder for what a run writes down cannot be written.
        EncoderError: No encoder came in time, or no inner model for it, or the promoted one is not there.
        NotSetUp: The server's files are not there.
    """
    inner = encoder_settings(environ).encoder_inner
    check_http_host(settings, environ)
    ports = (settings.triton_http_port, settings.triton_grpc_port, settings.triton_metrics_port)
    names = ("AKIN_TRITON_HTTP_PORT", "AKIN_TRITON_GRPC_PORT", "AKIN_TRITON_METRICS_PORT")
    hosts = (settings.triton_http_host, settings.triton_host, settings.triton_host)
    for name, host, port in zip(names, hosts, ports, strict=True):
        check_port(host, port, name)
    version = wait_for("an encoder", lambda: promoted_version(settings.repository), settings.wait_seconds, say)
    if inner:
        look = partial(check_inner, settings.repository, inner, version.number)
        wait_for(f"the model {inner}", look, settings.wait_seconds, say)
    try:
        shown = repository_of_one(settings.repository, version, settings.run / "triton-repository", inner)
        command = server_command(
            settings,
            shown,
            settings.triton_host,
            ports,
            key=triton_key.new(),
            http_host=settings.triton_http_host,
            switched=False,
        )
    except OSError as error:
        raise StackError(
            f"cannot write {error.filename or settings.run}: {error.strerror}. AKIN_DATA moves it."
        ) from error
    say(f"serving encoder version {version.number} ({version.digest[:12]}) of {settings.repository}")
    return command, server_environment(settings, environ)


def repository_of_one(repository: Path, version: Version, folder: Path, inner: str = "") -> Path:
    """A model repository in `folder` that has one version of the encoder and a configuration that names it.

    Beside it, where one is named (`AKIN_ENCODER_INNER`), the `inner` model that the encoder calls, in the same version.

    Raises:
        EncoderError: A `config.pbtxt` cannot be read, or there is no such inner model.
        OSError: The folder cannot be written.
    """
    if inner:
        check_inner(repository, inner, version.number)
    shutil.rmtree(folder, ignore_errors=True)
    for name in filter(None, (inner, MODEL)):
        try:
            config = (repository / name / "config.pbtxt").read_text("utf-8")
        except OSError as error:
            raise EncoderError(
                f"{error.filename} cannot be read ({error.strerror}): export the encoder again."
            ) from error
        model = folder / name
        model.mkdir(parents=True)
        (model / "config.pbtxt").write_text(f"{config}\n{policy(version.number)}\n", "utf-8")
        (model / str(version.number)).symlink_to(repository / name / str(version.number))
    return folder


def check_inner(repository: Path, inner: str, number: int) -> None:
    """Looks for the model that `AKIN_ENCODER_INNER` names, in the version of the encoder that calls it.

    Raises:
        EncoderError: It, or that version of it, is not there.
    """
    model = repository / inner
    # The configuration is written last.
    if not ((model / str(number)).is_dir() and (model / "config.pbtxt").is_file()):
        raise EncoderError(
            f"AKIN_ENCODER_INNER is {inner!r}: {repository} has no version {number} of such a model. For a GPU it is "
            f"made by `akin encoder gpu {number}`."
        )


def policy(number: int) -> str:
    """Triton's version policy for exactly one version, in the text format of `config.pbtxt`."""
    return f"version_policy: {{ specific: {{ versions: [ {number} ] }} }}"


def check_http_host(settings: Settings, environ: Mapping[str, str]) -> None:
    """Refuse to let others reach the HTTP of a server with known overflows there.

    Raises:
        BadSetting: HTTP would listen on more than this machine, and nothing says that a proxy stands before it.
    """
    host = settings.triton_http_host
    if is_loopback(host) or settings.triton_allow_unpatched or is_patched(settings, environ):
        return
    raise BadSetting(
        f"Triton's HTTP would listen on {host}: this build can be overrun there by bodies in chunks (CVE-2025-23310, "
        "CVE-2025-23311). Set AKIN_TRITON_HTTP_HOST to 127.0.0.1, and gRPC still listens on AKIN_TRITON_HOST; or set "
        "AKIN_TRITON_ALLOW_UNPATCHED to 1 where a proxy before it bounds and buffers bodies. See SECURITY.md."
    )


def check_port(host: str, port: int, name: str) -> None:
    """Says which port is taken before Triton does in its log.

    Raises:
        StackError: The address cannot be listened on.
    """
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return
    except OSError as error:
        raise StackError(
            f"cannot listen on {host}:{port} ({reason_of(error)}): set {name} to a free port, AKIN_TRITON_HOST to an "
            "address of this machine."
        ) from error


def say(message: str) -> None:
    """A line for the log of whoever started this."""
    print(f"triton: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
