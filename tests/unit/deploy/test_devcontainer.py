"""Check the container to develop in by a strict model of the keys that it uses, and by what the repository has."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from akin.settings.places import PageAddress, ServiceAddress
from akin.stack_settings import ROOT

PATH = ROOT / ".devcontainer/devcontainer.json"
Size = Annotated[str, msgspec.Meta(pattern=r"^\d+(tb|gb|mb|kb)$")]
Feature = Annotated[str, msgspec.Meta(pattern=r"^ghcr\.io/devcontainers/features/[a-z-]+:\d+\.\d+\.\d+$")]


class Requirements(msgspec.Struct, forbid_unknown_fields=True):
    cpus: Annotated[int, msgspec.Meta(ge=1)]
    memory: Size
    storage: Size


class Port(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    label: str = "Application"
    on_auto_forward: Literal["notify", "openBrowser", "openBrowserOnce", "openPreview", "silent", "ignore"] = "notify"


class Code(msgspec.Struct, forbid_unknown_fields=True):
    extensions: list[Annotated[str, msgspec.Meta(pattern=r"^[\w-]+\.[\w-]+$")]]
    settings: dict[str, Any]


class Customizations(msgspec.Struct, forbid_unknown_fields=True):
    vscode: Code


class Container(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """https://containers.dev/implementors/json_reference/"""

    name: str
    image: Annotated[str, msgspec.Meta(pattern=r"^[\w./-]+:[\w.-]+$")]
    features: dict[Feature, dict[str, str | bool]]
    remote_user: str
    host_requirements: Requirements
    on_create_command: str
    update_content_command: str
    forward_ports: list[Annotated[int, msgspec.Meta(ge=1, le=65535)]]
    ports_attributes: dict[Annotated[str, msgspec.Meta(pattern=r"^\d+$")], Port]
    other_ports_attributes: Port
    customizations: Customizations


def container() -> Container:
    return msgspec.json.decode(re.sub(r"^\s*//.*$", "", PATH.read_text("utf-8"), flags=re.MULTILINE), type=Container)


def test_it_has_the_keys_of_the_format_and_versions_of_everything() -> None:
    made = container()
    assert not made.image.endswith(":latest")
    assert made.image in (ROOT / "cloudbuild.yaml").read_text("utf-8")
    assert len(made.features) == 3


def test_its_user_is_made_by_a_feature() -> None:
    made = container()
    (options,) = (each for name, each in made.features.items() if "/common-utils:" in name)
    assert options["username"] == made.remote_user != "root"


def test_its_commands_are_targets() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    made = container()
    for command in (made.on_create_command, made.update_content_command):
        (target,) = re.findall(r"\bmake ([a-z-]+)", command)
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_its_ports_are_those_of_page_and_service() -> None:
    made = container()
    defaults = [PageAddress.model_fields["ui_port"].default, ServiceAddress.model_fields["service_port"].default]
    assert made.forward_ports == defaults
    assert [int(port) for port in made.ports_attributes] == defaults
