"""Make `docs/settings.md` and `.env.example` from the definitions."""

from __future__ import annotations

import re
from pathlib import Path

from annotated_types import Ge, Gt, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from akin.settings.base import EnvironmentSettings
from akin.settings.compose import ComposeSettings
from akin.settings.encoder import EncoderSettings
from akin.settings.page import PageSettings
from akin.settings.places import (
    ApiKey,
    CollectionFolder,
    FeedbackFolder,
    Folders,
    KeysPlace,
    LogFormat,
    Logging,
    MilvusPlace,
    PageAddress,
    ServerNames,
    ServiceAddress,
    Sources,
    Tracing,
    TritonAddress,
)
from akin.settings.service import ServiceSettings
from akin.settings.stack import StackSettings

GROUPS: dict[str, type[EnvironmentSettings]] = {
    "Folders": Folders,
    "Feedback": FeedbackFolder,
    "Keys of the API": KeysPlace,
    "Key of a client": ApiKey,
    "Collection of queries": CollectionFolder,
    "Addresses of the API": ServiceAddress,
    "Address of the page": PageAddress,
    "Names of the servers": ServerNames,
    "Addresses of Triton": TritonAddress,
    "Traces": Tracing,
    "Form of logs": LogFormat,
    "Files from a bucket": Sources,
    "Vectors in Milvus": MilvusPlace,
    "Logs": Logging,
    "The service": ServiceSettings,
    "The page": PageSettings,
    "The encoder, in Triton's environment": EncoderSettings,
    "The command line and the local stack": StackSettings,
    "Containers, read by docker-compose.yml alone": ComposeSettings,
}

_INTRODUCTION = """\
# Settings

Every setting is an environment variable. An empty one counts as absent. A value that cannot be used is refused at the
start, with its name. `python -m akin.settings docs` and `python -m akin.settings env` make this page and `.env.example`
from the definitions in `akin/settings/`.
"""

_ENV_INTRODUCTION = """\
# Settings of `docker compose`: copy this file to .env and change it. Every line here is a default.
"""


def definitions() -> dict[str, tuple[type[EnvironmentSettings], str]]:
    """Return the class and the field that first define each variable."""
    found: dict[str, tuple[type[EnvironmentSettings], str]] = {}
    for owner in GROUPS.values():
        for field in owner.model_fields:
            found.setdefault(owner.variable(field), (owner, field))
    return found


def docs() -> str:
    """Return the text of `docs/settings.md`."""
    listed = definitions()
    lines = [_INTRODUCTION]
    for title, owner in GROUPS.items():
        lines += [f"## {title}\n", "| variable | default | values | description |", "| --- | --- | --- | --- |"]
        for variable, (first, field) in listed.items():
            if first is owner:
                info = owner.model_fields[field]
                default = default_text(info)
                shown = f"`{default}`" if default else ""
                lines.append(f"| `{variable}` | {shown} | {values_text(info)} | {info.description} |")
        lines.append("")
    return "\n".join(lines)


def env(compose: Path) -> str:
    """Return the text of `.env.example`: every variable of a compose file, with its default there."""
    given = dict(re.findall(r"\$\{(\w+):-([^${}]*)", compose.read_text()))
    lines = [_ENV_INTRODUCTION]
    for variable, (owner, field) in definitions().items():
        if variable in given:
            info = owner.model_fields[field]
            lines += [f"# {info.description}", f"{variable}={given[variable] or default_text(info)}", ""]
    return "\n".join(lines)


def default_text(info: FieldInfo) -> str:
    """Return a field's default as text for an environment; empty if it depends on the machine."""
    default = info.default
    if default in (None, PydanticUndefined, ()):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, SecretStr):
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


def values_text(info: FieldInfo) -> str:
    """Return the values that a field takes as text."""
    choices = getattr(info.annotation, "__args__", ()) if "Literal" in str(info.annotation) else ()
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if info.annotation is bool:
        return "`true`, `false`"
    least = next((rule.ge for rule in info.metadata if isinstance(rule, Ge)), None)
    above = next((rule.gt for rule in info.metadata if isinstance(rule, Gt)), None)
    most = next((rule.le for rule in info.metadata if isinstance(rule, Le)), None)
    if above is not None:
        return f"more than {above}" + ("" if most is None else f", at most {most}")
    if least is not None:
        return f"at least {least}" if most is None else f"{least} to {most}"
    return ""
