"""docker-compose.yml against the Compose Specification as far as the file uses it, and what the stack promises."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
import pytest
import yaml

from akin.settings import ROOT
from retrieval_service.settings import Settings as ServiceSettings

Text = Annotated[str, msgspec.Meta(min_length=1)]


class BuildOf(msgspec.Struct, forbid_unknown_fields=True):
    """https://github.com/compose-spec/compose-spec/blob/main/build.md"""

    context: Text
    dockerfile: Text
    additional_contexts: dict[str, Text] = {}


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


class Network(msgspec.Struct, forbid_unknown_fields=True):
    aliases: list[Text] = []


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
    init: bool = False
    read_only: bool = False
    tmpfs: list[Text] = []
    cap_drop: list[Text] = []
    security_opt: list[Text] = []
    shm_size: Annotated[str, msgspec.Meta(pattern=r"^\d+m$")] | None = None
    deploy: Deploy | None = None
    networks: dict[str, Network] = {}


class Compose(msgspec.Struct, forbid_unknown_fields=True):
    """https://github.com/compose-spec/compose-spec/blob/main/spec.md"""

    name: Text
    services: dict[str, Service]
    volumes: dict[str, None]


def interpolated(value: Any, environ: dict[str, str]) -> Any:
    """As Compose does it after parsing, for the one form that the file uses: ${NAME:-default}, nested."""
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


@pytest.fixture(scope="module")
def compose() -> Compose:
    return read({})


def dockerfile(name: str) -> list[str]:
    """The instructions of a Dockerfile, each in one line, without comments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "deploy" / name).read_text(), flags=re.MULTILINE)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def final_stage(lines: list[str]) -> list[str]:
    return lines[max(at for at, line in enumerate(lines) if line.startswith("FROM ")) :]


def test_the_example_of_settings_holds_every_one_of_them_with_its_default() -> None:
    assert read(example()) == read({})
    text = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"\$\{(AKIN_\w+)", text)) == set(example())


def test_a_setting_reaches_its_service() -> None:
    changed = read({"AKIN_BIND": "0.0.0.0", "AKIN_UI_PORT": "1", "AKIN_CORPUS": "/c.jsonl", "AKIN_IMAGES": "r/a"})
    assert changed.services["ui"].ports == ["0.0.0.0:1:7860"]
    assert changed.services["index"].command[3] == "/c.jsonl"
    assert changed.services["triton"].image == "r/a/triton:latest"


def test_only_the_page_and_the_api_are_published_and_on_this_machine_only(compose: Compose) -> None:
    published = {name: service.ports for name, service in compose.services.items() if service.ports}
    everywhere = published.pop("retrieval") + published.pop("ui")
    assert everywhere == ["127.0.0.1:8080:8080", "127.0.0.1:7860:7860"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert all(compose.services[name].profiles == ["monitoring"] for name in published)


def test_every_setting_given_to_the_service_is_one(compose: Compose) -> None:
    given = compose.services["retrieval"].environment
    settings = {f"AKIN_{name.upper()}" for name in ServiceSettings.model_fields}
    assert set(given) <= settings
    ServiceSettings.model_validate({name.removeprefix("AKIN_").lower(): value for name, value in given.items()})


def test_what_ends_stays_ended_and_the_rest_comes_back(compose: Compose) -> None:
    once = {name for name, service in compose.services.items() if service.restart == "no"}
    assert once == {"export", "index"}


def test_a_service_has_no_right_that_it_does_not_need(compose: Compose) -> None:
    for name, service in compose.services.items():
        assert service.read_only, name
        assert service.cap_drop == ["ALL"], name
        assert service.security_opt == ["no-new-privileges:true"], name
    for name in ("triton", "index", "retrieval"):
        assert "models:/models:ro" in compose.services[name].volumes


def test_triton_has_shared_memory_for_its_python_backend(compose: Compose) -> None:
    assert compose.services["triton"].shm_size == "256m"  # an engine's own default is 64


@pytest.mark.parametrize("name", ["triton", "retrieval", "ui", "training"])
def test_an_image_is_slim_and_runs_as_nobody_special(compose: Compose, name: str) -> None:
    lines = dockerfile(f"{name}.Dockerfile")
    stages = [line.split()[1] for line in lines if line.startswith("FROM ") and line.split()[1] != "scratch"]
    assert stages == ["python:3.11-slim-bookworm"] * 2
    last = final_stage(lines)
    assert "USER 10001:10001" in last
    assert len([line for line in last if line.split()[0] in {"RUN", "COPY", "ADD"}]) == 2
    assert not any("pip" in line or "apt" in line for line in last)
    (command,) = (line for line in last if line.startswith("CMD "))
    assert command.startswith('CMD ["python", "-m"')
    assert any(line.startswith("HEALTHCHECK ") for line in last) == (name != "training")
    assert any(service.image == f"akin/{name}:latest" for service in compose.services.values())


@pytest.mark.parametrize("name", ["triton", "retrieval", "ui", "training"])
def test_everything_installed_is_locked(name: str) -> None:
    for line in dockerfile(f"{name}.Dockerfile"):
        for command in re.findall(r"pip [^&]*install [^&]*", line):
            assert "--require-hashes" in command or "torch.txt" in command
            assert "--no-deps" in command


def test_what_an_image_copies_is_let_through_to_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    copied = set()
    for path in (ROOT / "deploy").glob("*.Dockerfile"):
        for line in dockerfile(path.name):
            if line.startswith("COPY ") and "--from" not in line:
                copied |= {source.split("/")[0] for source in line.split()[1:-1]}
    assert copied == let_through
    assert all((ROOT / folder).is_dir() for folder in copied)
