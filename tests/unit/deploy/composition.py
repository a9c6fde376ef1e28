"""Read docker-compose.yml strictly by the part of the Compose Specification that it uses, and the Dockerfiles."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
import yaml

from akin.stack_settings import ROOT

Text = Annotated[str, msgspec.Meta(min_length=1)]


class BuildOf(msgspec.Struct, forbid_unknown_fields=True):
    """https://github.com/compose-spec/compose-spec/blob/main/build.md"""

    context: Text
    dockerfile: Text
    additional_contexts: dict[str, Text] = {}
    args: dict[Annotated[str, msgspec.Meta(pattern=r"^[A-Z_]+$")], Text] = {}


class Device(msgspec.Struct, forbid_unknown_fields=True):
    driver: Literal["nvidia"]
    count: int | Literal["all"]
    capabilities: list[Text]


class Reservations(msgspec.Struct, forbid_unknown_fields=True):
    devices: list[Device]


class Resources(msgspec.Struct, forbid_unknown_fields=True):
    reservations: Reservations


class Deploy(msgspec.Struct, forbid_unknown_fields=True):
    resources: Resources


class Logging(msgspec.Struct, forbid_unknown_fields=True):
    driver: Literal["json-file"]
    options: dict[str, Text]


class Network(msgspec.Struct, forbid_unknown_fields=True):
    aliases: list[Text] = []


class Healthcheck(msgspec.Struct, forbid_unknown_fields=True):
    disable: bool


class Service(msgspec.Struct, forbid_unknown_fields=True):
    """https://github.com/compose-spec/compose-spec/blob/main/05-services.md"""

    image: Text
    restart: Literal["no", "always", "unless-stopped"]
    build: BuildOf | None = None
    command: list[Text] = []
    environment: dict[Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]*$")], str] = {}
    ports: list[Annotated[str, msgspec.Meta(pattern=r"^[\d.]+:\d+:\d+$")]] = []
    volumes: list[Annotated[str, msgspec.Meta(pattern=r"^(\./)?[\w./-]+:/[\w./-]+(:ro)?$")]] = []
    profiles: list[Text] = []
    scale: Annotated[str, msgspec.Meta(pattern=r"^[01]$")] = "1"  # one port is published: two could not start
    init: bool = False
    read_only: bool = False
    tmpfs: list[Text] = []
    cap_drop: list[Text] = []
    security_opt: list[Text] = []
    logging: Logging | None = None
    mem_limit: Annotated[str, msgspec.Meta(pattern=r"^(0|\d+[mg])$")] | None = None
    cpus: Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)?$")] | None = None
    shm_size: Annotated[str, msgspec.Meta(pattern=r"^\d+m$")] | None = None
    deploy: Deploy | None = None
    healthcheck: Healthcheck | None = None
    networks: dict[str, Network] = {}


class Compose(msgspec.Struct, forbid_unknown_fields=True):
    """https://github.com/compose-spec/compose-spec/blob/main/spec.md"""

    name: Text
    services: dict[str, Service]
    volumes: dict[str, None]
    networks: dict[str, None] = {}

    def started(self, *profiles: str) -> dict[str, Service]:
        """Return the services that `up` starts with these profiles."""
        return {
            name: service
            for name, service in self.services.items()
            if service.scale == "1" and (not service.profiles or set(profiles) & set(service.profiles))
        }


def interpolated(value: Any, environ: dict[str, str]) -> Any:
    """Replace variables as Compose does after parsing, in the only form of the file: ${NAME:-default}, nested."""
    if isinstance(value, dict):
        return {key: interpolated(each, environ) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, environ) for each in value]
    if not isinstance(value, str):
        return value
    while found := re.search(r"\$\{(\w+):-([^${}]*)\}", value):
        value = value.replace(found[0], environ.get(found[1]) or found[2])
    assert "$" not in value
    return value


def read(environ: dict[str, str]) -> Compose:
    content = interpolated(yaml.safe_load((ROOT / "docker-compose.yml").read_text()), environ)
    return msgspec.convert({key: value for key, value in content.items() if not key.startswith("x-")}, Compose)


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def dockerfile(name: str) -> list[str]:
    """Return the instructions of a Dockerfile, each in one line, without comments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "deploy" / name).read_text(), flags=re.MULTILINE)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def final_stage(lines: list[str]) -> list[str]:
    return lines[max(at for at, line in enumerate(lines) if line.startswith("FROM ")) :]
