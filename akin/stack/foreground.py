"""Run Triton in the foreground with the promoted encoder: `python -m akin.stack.foreground`.

Containers run this. It imports only what `requirements/triton.lock` holds. This server loads nothing after its start,
and the key to its other APIs is thrown away. It gets a model repository of its own, in the run folder, as the given one
may be read-only: there, a copy of `config.pbtxt` names the one version to load. On a GPU the same holds for the model
that runs the encoder's graph (`AKIN_ENCODER_INNER`).
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

from akin.edge import is_loopback, reason_of
from akin.errors import AkinError, BadSetting, EncoderError, StackError
from akin.registry.versions import CONFIG, MODEL, RERANKER, Version, find, promoted_number, promoted_version
from akin.stack import triton_key
from akin.stack.tritonserver import is_patched, server_command, server_environment
from akin.stack.wait import wait_for
from akin.stack_settings import Settings, encoder_settings


def main() -> NoReturn:
    """Replace this process by the server, or print the reason that prevents it and exit with its code."""
    # Without handlers Python prints a trace on SIGINT, and the first process of a container ignores SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    try:
        settings = Settings.read()
        command, environment = prepare(settings, os.environ)
    except AkinError as error:
        log(str(error))
        sys.exit(error.exit_code)
    os.execve(command[0], command, environment)


def prepare(settings: Settings, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Wait for an encoder and return the server's command line and environment.

    Raises:
        BadSetting: A setting of the encoder cannot be used, or other machines could reach Triton's HTTP.
        StackError: A port is taken, or the run folder cannot be written.
        EncoderError: There was no encoder, or no inner model for it, in time; or the promoted one does not exist.
        NotSetUp: The server's files are missing.
    """
    inner = encoder_settings(environ).encoder_inner
    check_http_host(settings, environ)
    ports = (settings.triton_http_port, settings.triton_grpc_port, settings.triton_metrics_port)
    names = ("AKIN_TRITON_HTTP_PORT", "AKIN_TRITON_GRPC_PORT", "AKIN_TRITON_METRICS_PORT")
    hosts = (settings.triton_http_host, settings.triton_host, settings.triton_host)
    for name, host, port in zip(names, hosts, ports, strict=True):
        check_port(host, port, name)
    version = wait_for("an encoder", lambda: promoted_version(settings.repository), settings.wait_seconds, log)
    if inner:
        look = partial(check_inner, settings.repository, inner, version.number)
        wait_for(f"the model {inner}", look, settings.wait_seconds, log)
    try:
        shown = single_version_repository(settings.repository, version, settings.run / "triton-repository", inner)
        command = server_command(
            settings,
            shown,
            settings.triton_host,
            ports,
            key=triton_key.new(),
            http_host=settings.triton_http_host,
            switched=False,
            # A reranker that cannot be loaded must not end the encoder: searches work without it.
            partial=(shown / RERANKER).is_dir(),
        )
    except OSError as error:
        raise StackError(
            f"cannot write {error.filename or settings.run}: {error.strerror}. Set AKIN_DATA to another folder."
        ) from error
    log(f"serving encoder version {version.number} ({version.digest[:12]}) of {settings.repository}")
    return command, server_environment(settings, environ)


def single_version_repository(repository: Path, version: Version, folder: Path, inner: str = "") -> Path:
    """Make a model repository in `folder` with one version of the encoder, and return it.

    It also gets the same version of the `inner` model that the encoder calls, if one is named (`AKIN_ENCODER_INNER`),
    and the promoted reranker if there is one.

    Raises:
        EncoderError: A `config.pbtxt` cannot be read, or there is no such inner model.
        OSError: The folder cannot be written.
    """
    if inner:
        check_inner(repository, inner, version.number)
    shutil.rmtree(folder, ignore_errors=True)
    models = {inner: version.number} if inner else {}
    models |= {MODEL: version.number} | reranker_of(repository)
    for name, number in models.items():
        try:
            config = (repository / name / CONFIG).read_text("utf-8")
        except OSError as error:
            raise EncoderError(
                f"{error.filename} cannot be read ({error.strerror}): export the encoder again."
            ) from error
        model = folder / name
        model.mkdir(parents=True)
        (model / CONFIG).write_text(f"{config}\n{policy(number)}\n", "utf-8")
        (model / str(number)).symlink_to(repository / name / str(number))
    return folder


def reranker_of(repository: Path) -> dict[str, int]:
    """Return the name of the reranker with its promoted version; empty, and reported, if that cannot be used."""
    try:
        number = promoted_number(repository, RERANKER)
        if number is None:
            return {}
        config = repository / RERANKER / CONFIG
        if not config.is_file():
            raise EncoderError(f"{config} is missing: export a reranker again.")
        return {RERANKER: find(repository, number, RERANKER).number}
    except EncoderError as error:
        log(f"searches are not reranked: {error}")
        return {}


def check_inner(repository: Path, inner: str, number: int) -> None:
    """Check that the model named by `AKIN_ENCODER_INNER` exists in the same version as the encoder.

    Raises:
        EncoderError: The model or that version of it is missing.
    """
    model = repository / inner
    # The configuration is written last: without it the model is not complete.
    if not ((model / str(number)).is_dir() and (model / CONFIG).is_file()):
        raise EncoderError(
            f"AKIN_ENCODER_INNER is {inner!r}: {repository} has no version {number} of such a model. Make it with "
            f"`akin encoder gpu {number}`."
        )


def policy(number: int) -> str:
    """Return Triton's version policy for exactly one version, in the text format of `config.pbtxt`."""
    return f"version_policy: {{ specific: {{ versions: [ {number} ] }} }}"


def check_http_host(settings: Settings, environ: Mapping[str, str]) -> None:
    """Check that other machines cannot reach the HTTP of a server with known overflows there.

    Raises:
        BadSetting: HTTP would listen beyond this machine, and no setting states that a proxy stands before it.
    """
    host = settings.triton_http_host
    if is_loopback(host) or settings.triton_allow_unpatched or is_patched(settings, environ):
        return
    raise BadSetting(
        f"Triton's HTTP would listen on {host}: bodies in chunks can overflow this build's memory (CVE-2025-23310, "
        "CVE-2025-23311). Set AKIN_TRITON_HTTP_HOST to 127.0.0.1, and gRPC still listens on AKIN_TRITON_HOST; or set "
        "AKIN_TRITON_ALLOW_UNPATCHED to 1 if a proxy before it limits and buffers bodies. See SECURITY.md."
    )


def check_port(host: str, port: int, name: str) -> None:
    """Check that a port is free, as Triton itself reports a taken one only in its log.

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


def log(message: str) -> None:
    """Write a line to the container's log."""
    print(f"triton: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
