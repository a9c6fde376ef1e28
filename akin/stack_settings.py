"""Read the settings of a command: those of the local stack, with absolute folders."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator

from akin.errors import BadSetting
from akin.installation import IS_CLONE, default_folder
from akin.installation import ROOT as ROOT
from akin.settings import EncoderSettings, SettingsError, StackSettings
from akin.settings.stack import PORTS as PORT_FIELDS

PORTS = tuple(StackSettings.variable(field) for field in PORT_FIELDS)
"""The variables that set the ports of a stack."""

_FOLDERS = ("data", "model_repository", "triton_home", "training_python")
_INSTALLED = {"data": "", "triton_home": "triton"}
"""Default folders of an installed wheel that have another name than in a clone."""


class Settings(StackSettings):
    """Settings of a command.

    Given folders are relative to the current folder. Default folders lie in the clone, or, for an installed wheel, in
    the data folder, which is then a folder of the user.
    """

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings of an environment; by default that of this process.

        Raises:
            BadSetting: A value cannot be used, or two parts have the same port.
        """
        try:
            return super().read(environ)
        except SettingsError as error:
            raise BadSetting(str(error)) from None

    @model_validator(mode="after")
    def _make_folders_absolute(self) -> Self:
        for name in _FOLDERS:
            value: Path = getattr(self, name)
            if name in self.model_fields_set:
                base = Path.cwd()
            elif IS_CLONE:
                base = ROOT
            else:
                # The data folder comes first, and is absolute when the others are made.
                base = default_folder() if name == "data" else self.data
                value = Path(_INSTALLED.get(name, value))
            # Keep symbolic links: the Python of an environment is one. The class is frozen, hence object.__setattr__.
            object.__setattr__(self, name, Path(os.path.abspath(base / value.expanduser())))
        if "/" in self.feedback:
            object.__setattr__(self, "feedback", os.path.abspath(self.feedback_folder))
        if "/" in self.keys:
            object.__setattr__(self, "keys", os.path.abspath(self.keys_file))
        if "/" in self.collection:
            object.__setattr__(self, "collection", os.path.abspath(self.collection_folder))
        return self

    @property
    def repository(self) -> Path:
        """Return Triton's model repository."""
        return self.model_repository

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables from which another process reads the same settings."""
        values = {self.variable(field): getattr(self, field) for field in type(self).model_fields}
        return {name: _text(value) for name, value in values.items() if value is not None}

    def with_data_and_ports(self, data: Path, ports: Sequence[int]) -> Self:
        """Return these settings with another data folder and other ports, one for each of `PORTS`."""
        return self.model_copy(update={"data": data, **dict(zip(PORT_FIELDS, ports, strict=True))})

    @property
    def run(self) -> Path:
        """Return the folder of a running stack's record, locks and key."""
        return self.data / "run"

    @property
    def logs(self) -> Path:
        """Return the folder with one log file for each process."""
        return self.data / "logs"

    @property
    def service_url(self) -> str:
        """Return the address of the service on this machine."""
        return f"http://{reachable_host(self.service_host)}:{self.service_port}"

    @property
    def ui_url(self) -> str:
        """Return the address of the page on this machine."""
        return f"http://{reachable_host(self.ui_host)}:{self.ui_port}"


def _text(value: object) -> str:
    if value is None:  # an empty variable counts as absent
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def encoder_settings(environ: Mapping[str, str]) -> EncoderSettings:
    """Return the settings of the encoder inside Triton. An error found here is one line, in Triton it is fifty.

    Raises:
        BadSetting: One of them cannot be used.
    """
    try:
        return EncoderSettings.read(environ)
    except SettingsError as error:
        raise BadSetting(str(error)) from None


def reachable_host(host: str) -> str:
    """Return the host to put in a URL for a server of this machine that listens on an address.

    A server that listens on all addresses is reached on the loopback address.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
