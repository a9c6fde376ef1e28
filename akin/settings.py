"""The settings of one command: those of the local stack, with folders made absolute."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import model_validator

from akin.errors import BadSetting
from settings import EncoderSettings, SettingsError, StackSettings
from settings.stack import PORTS as PORT_FIELDS

ROOT = Path(__file__).resolve().parent.parent

PORTS = tuple(StackSettings.variable(field) for field in PORT_FIELDS)
"""The variables of the ports that a stack listens on."""

_FOLDERS = ("data", "model_repository", "triton_home", "training_python")


class Settings(StackSettings):
    """The settings of one command. A default folder lies in the project's folder, a given one below the current one."""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings of an environment; of this process's own where none is given.

        Raises:
            BadSetting: A value cannot be used, or two parts are given the same port.
        """
        try:
            return super().read(environ)
        except SettingsError as error:
            raise BadSetting(str(error)) from None

    @model_validator(mode="after")
    def _make_folders_absolute(self) -> Self:
        for name in _FOLDERS:
            value: Path = getattr(self, name)
            base = Path.cwd() if name in self.model_fields_set else ROOT
            # Symbolic links stay: the Python of an environment is one. The class is frozen for all others.
            object.__setattr__(self, name, Path(os.path.abspath(base / value.expanduser())))
        return self

    @property
    def repository(self) -> Path:
        """Triton's model repository."""
        return self.model_repository

    @property
    def environment(self) -> dict[str, str]:
        """The variables from which another process reads these very settings."""
        return {self.variable(field): str(getattr(self, field)) for field in type(self).model_fields}

    def elsewhere(self, data: Path, ports: Sequence[int]) -> Self:
        """Return these settings with another data folder and other ports, one for each of `PORTS`."""
        return self.model_copy(update={"data": data, **dict(zip(PORT_FIELDS, ports, strict=True))})

    @property
    def run(self) -> Path:
        """Folder of what a running stack writes down of itself."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """Folder with one log file for each process."""
        return self.data / "logs"

    @property
    def service_url(self) -> str:
        """Address of the service on this machine."""
        return f"http://{reachable(self.service_host)}:{self.service_port}"

    @property
    def ui_url(self) -> str:
        """Address of the page on this machine."""
        return f"http://{reachable(self.ui_host)}:{self.ui_port}"


def encoder_settings(environ: Mapping[str, str]) -> EncoderSettings:
    """Return the settings that the encoder will read inside Triton, which would tell of a mistake in fifty lines.

    Raises:
        BadSetting: One of them cannot be used.
    """
    try:
        return EncoderSettings.read(environ)
    except SettingsError as error:
        raise BadSetting(str(error)) from None


def reachable(host: str) -> str:
    """Return where this machine reaches what listens on an address, as it stands in a URL.

    Who listens on all addresses is reached on the loopback one.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
