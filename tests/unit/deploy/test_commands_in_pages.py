"""Test that what pages name exists: commands and options of `akin`, targets, services, profiles, modules, files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from akin.cli import app
from akin.stack_settings import ROOT
from tests.pages import ALL, PAGES, Command, blocks

MAKEFILE = (ROOT / "Makefile").read_text("utf-8") + (ROOT / "training/Makefile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
CONFIGS = ROOT / "training/configs"
PARSER: Any = get_command(app)
HELP = {"--help", "-h"}
ROOMS = "akin|benchmarks|client|deploy|docs|gradio_ui|loadtests|model_repository|retrieval_service|tests|training"
FILE = rf"(?<![\w./{{}}-])((?:{ROOMS})/[\w./-]+\.(?:py|md|toml|ya?ml|lock|conf|Dockerfile|txt|js))\b"
OUTPUT = re.compile(r"[…<]|\.\.\.")
"""A place in a command that the reader fills in."""


def of(*names: str) -> list[Any]:
    found = [each for each in ALL if Path(each.words[0]).name in names]
    return [pytest.param(each, id=f"{each.page}: {each.line[:60]}") for each in found]


@pytest.mark.parametrize("command", of("akin"))
def test_a_command_of_akin_exists_with_its_options(command: Command) -> None:
    parser = PARSER
    words = list(command.words[1:])
    groups = [parser]
    while words and hasattr(parser, "commands"):
        name = words.pop(0)
        if name.startswith("-") or OUTPUT.search(name):
            words.insert(0, name)
            break
        assert name in parser.commands, f"`{' '.join(command.words[:3])}` is no command"
        parser = parser.commands[name]
        groups.append(parser)
    known = HELP | {option for each in groups for one in each.params for option in (*one.opts, *one.secondary_opts)}
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in known, f"`{command.line}` has no option {word}"
    if len(command.words) > 1 and command.words[1] == "train":
        for group, name in (word.split("=", 1) for word in words if re.match(r"[a-z]+=", word)):
            if (CONFIGS / group).is_dir() and not OUTPUT.search(name):
                assert (CONFIGS / group / f"{name}.yaml").is_file(), f"training has no {group}={name}"


@pytest.mark.parametrize("command", of("make"))
def test_a_target_exists_with_its_variables(command: Command) -> None:
    for word in command.words[1:]:
        if "=" in word:
            assert re.search(rf"\b{word.partition('=')[0]}\b", MAKEFILE), f"the Makefile has no variable {word}"
        elif not word.startswith("-"):
            assert re.search(rf"^(?:[\w -]+ )?{re.escape(word)}(?: [\w -]+)?:", MAKEFILE, re.M), (
                f"there is no target {word}"
            )


@pytest.mark.parametrize("command", of("docker"))
def test_a_service_and_a_profile_exist(command: Command) -> None:
    if command.words[1] != "compose":
        return
    profiles = {profile for service in COMPOSE["services"].values() for profile in service.get("profiles", ())}
    words = list(command.words[2:])
    while words and words[0] == "--profile":
        assert words[1] in profiles
        words = words[2:]
    if words and words[0] in ("exec", "logs", "restart", "run"):
        with_value = {"--tail", "-v", "--volume", "-e", "--env"}
        rest = iter(words[1:])
        named = [word for word in rest if not (word in with_value and next(rest)) and not word.startswith("-")]
        services = named if words[0] in ("logs", "restart") else named[:1]
        assert services
        assert set(services) <= set(COMPOSE["services"])


@pytest.mark.parametrize("command", of("python", "python3"))
def test_a_module_exists(command: Command) -> None:
    if "-m" in command.words:
        name = command.words[command.words.index("-m") + 1]
        if name.split(".")[0] in ("pip", "venv", "pytest", "http"):
            return
        places = [folder / name.replace(".", "/") for folder in (ROOT, ROOT / "training/src")]
        assert any(place.with_suffix(".py").is_file() or (place / "__main__.py").is_file() for place in places), name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_of_the_repository_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(FILE, page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_shell_of_a_page_can_be_read(page: Path) -> None:
    shell = "\n".join(block.text for block in blocks(page) if block.language == "bash")
    done = subprocess.run(["bash", "-n"], input=shell, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_there_are_commands_of_every_kind() -> None:
    counts = {name: len(of(name)) for name in ("akin", "make", "docker", "python")}
    assert counts["akin"] > 100
    assert counts["make"] > 20
    assert counts["docker"] > 10
    assert counts["python"] > 5


def test_the_checks_find_what_does_not_exist() -> None:
    for check, words in (
        (test_a_command_of_akin_exists_with_its_options, ("akin", "index", "bild", "sample")),
        (test_a_command_of_akin_exists_with_its_options, ("akin", "index", "build", "sample", "--recal", "1")),
        (test_a_command_of_akin_exists_with_its_options, ("akin", "train", "experiment=none")),
        (test_a_target_exists_with_its_variables, ("make", "documentation")),
        (test_a_target_exists_with_its_variables, ("make", "docs", "NOTHING=1")),
        (test_a_service_and_a_profile_exist, ("docker", "compose", "logs", "--tail", "5", "retriever")),
        (test_a_service_and_a_profile_exist, ("docker", "compose", "--profile", "night", "up")),
        (test_a_module_exists, ("python", "-m", "benchmarks.nothing")),
    ):
        with pytest.raises(AssertionError):
            check(Command("page", words, " ".join(words)))
