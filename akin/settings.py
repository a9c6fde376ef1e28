"""Where things are and which ports they use, read once from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from akin.errors import BadSetting

ROOT = Path(__file__).resolve().parent.parent

PORTS = {
    "AKIN_SERVICE_PORT": 8080,
    "AKIN_UI_PORT": 7860,
    "AKIN_TRITON_HTTP_PORT": 8000,
    "AKIN_TRITON_GRPC_PORT": 8001,
    "AKIN_TRITON_METRICS_PORT": 8002,
}


@dataclass(frozen=True)
class Settings:
    """The environment of one command.

    Attributes:
        data: Everything a run writes (`AKIN_DATA`, default `data/`).
        repository: Triton's model repository (`AKIN_MODEL_REPOSITORY`, default `model_repository/`).
        triton_home: The folder of the Triton server and its Python (`AKIN_TRITON_HOME`, default `.triton/`).
        training_python: The interpreter of the training environment (`AKIN_TRAINING_PYTHON`).
        service_port: The HTTP API's port (`AKIN_SERVICE_PORT`).
        ui_port: The page's port (`AKIN_UI_PORT`).
        triton_http_port: Triton's HTTP port (`AKIN_TRITON_HTTP_PORT`).
        triton_grpc_port: Triton's gRPC port (`AKIN_TRITON_GRPC_PORT`).
        triton_metrics_port: Triton's metrics port (`AKIN_TRITON_METRICS_PORT`).
        triton_host: The address that a Triton in the foreground listens on (`AKIN_TRITON_HOST`).
        triton_url: A Triton that others run, `grpc://host:port` (`AKIN_TRITON_URL`); empty where there is none.
        wait_seconds: How long a command waits for what another one makes or starts (`AKIN_WAIT_SECONDS`, default 0).
    """

    data: Path
    repository: Path
    triton_home: Path
    training_python: Path
    service_port: int
    ui_port: int
    triton_http_port: int
    triton_grpc_port: int
    triton_metrics_port: int
    triton_host: str
    triton_url: str
    wait_seconds: float

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Reads the environment.

        Raises:
            BadSetting: A port is not a port, or two services are given the same one.
        """
        ports = {name: port(name, environ.get(name) or str(default)) for name, default in PORTS.items()}
        taken: dict[int, str] = {}
        for name, number in ports.items():
            if number in taken:
                raise BadSetting(f"{taken[number]} and {name} are both {number}: give each service a port of its own.")
            taken[number] = name
        return cls(
            data=folder(environ, "AKIN_DATA", ROOT / "data"),
            repository=folder(environ, "AKIN_MODEL_REPOSITORY", ROOT / "model_repository"),
            triton_home=folder(environ, "AKIN_TRITON_HOME", ROOT / ".triton"),
            training_python=folder(environ, "AKIN_TRAINING_PYTHON", ROOT / ".venv-training" / "bin" / "python"),
            service_port=ports["AKIN_SERVICE_PORT"],
            ui_port=ports["AKIN_UI_PORT"],
            triton_http_port=ports["AKIN_TRITON_HTTP_PORT"],
            triton_grpc_port=ports["AKIN_TRITON_GRPC_PORT"],
            triton_metrics_port=ports["AKIN_TRITON_METRICS_PORT"],
            triton_host=environ.get("AKIN_TRITON_HOST") or "127.0.0.1",
            triton_url=triton_address(environ.get("AKIN_TRITON_URL", "")),
            wait_seconds=seconds("AKIN_WAIT_SECONDS", environ.get("AKIN_WAIT_SECONDS") or "0"),
        )

    @property
    def run(self) -> Path:
        """What a running stack writes down of itself."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.data / "logs"

    @property
    def service_url(self) -> str:
        """Where the service answers on this machine."""
        return f"http://127.0.0.1:{self.service_port}"

    @property
    def ui_url(self) -> str:
        """Where the page is on this machine."""
        return f"http://127.0.0.1:{self.ui_port}"


def port(name: str, value: str) -> int:
    """A TCP port from an environment variable."""
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
        raise BadSetting(f"{name} is {value!r}: it must be a port from 1 to 65535.")
    return int(value)


def triton_address(value: str) -> str:
    """Where a Triton answers, from an environment variable; empty for none."""
    if not re.fullmatch(r"|(grpc|http)://[^/\s]+/?", value):
        raise BadSetting(f"AKIN_TRITON_URL is {value!r}: it must look like grpc://127.0.0.1:8001.")
    return value


def seconds(name: str, value: str) -> float:
    """A time to wait, from an environment variable."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 86400:
        raise BadSetting(f"{name} is {value!r}: it must be a number of seconds from 0 to 86400.")
    return number


def folder(environ: Mapping[str, str], name: str, default: Path) -> Path:
    """An absolute path from an environment variable, symbolic links kept (an environment's Python is one)."""
    return Path(environ.get(name) or default).expanduser().absolute()
