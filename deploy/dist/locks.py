"""Check that every lock has what its part of pyproject.toml asks for; `make lock` resolves them again."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
COMPILED = re.compile(r"^\t\$\(compile\) (?P<options>.*?) -o (?P<lock>\S+)$", re.MULTILINE)


def locked(text: str) -> dict[str, set[Version]]:
    """Return the versions that a lock has of each package; several where its markers choose one."""
    found: dict[str, set[Version]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", text, re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(Version(version))
    return found


def asked() -> Iterator[tuple[str, list[str]]]:
    """Yield each lock that the Makefile compiles from pyproject.toml, and the requirements that it is compiled from."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for match in COMPILED.finditer((ROOT / "Makefile").read_text("utf-8")):
        options = match["options"].split()
        wanted = list(project["project"]["dependencies"])
        for option, value in zip(options, options[1:], strict=False):
            if option == "--extra":
                wanted += project["project"]["optional-dependencies"][value]
            elif option == "--group":
                wanted += project["dependency-groups"][value]
        yield match["lock"], wanted


def problems() -> list[str]:
    """Return a line for each requirement that its lock does not meet."""
    found = []
    for lock, wanted in asked():
        has = locked((ROOT / lock).read_text("utf-8"))
        for requirement in map(Requirement, wanted):
            versions = has.get(canonicalize_name(requirement.name), set())
            if not versions:
                found.append(f"{lock}: {requirement.name} is missing")
            elif not any(requirement.specifier.contains(each, prereleases=True) for each in versions):
                found.append(f"{lock}: {requirement} is not met by {', '.join(map(str, sorted(versions)))}")
    return found


if __name__ == "__main__":
    for line in problems():
        print(f"{line}: run `make lock`.", file=sys.stderr)
    sys.exit(bool(problems()))
