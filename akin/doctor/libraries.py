"""Examine the installed packages: which are missing, and which have another version than the locks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from akin.doctor.finding import Finding, fail, ok, warn
from akin.errors import AkinError
from akin.installation import IS_CLONE, LOCKS, SETUP
from akin.stack import server_setup
from akin.stack.tritonserver import is_installation, server_environment, server_python
from akin.stack_settings import Settings

EXTRAS = ("cli", "cpu", "mcp", "service", "ui")
"""The extras that command line, service and page need together."""

OPTIONAL_TOOLS = ("chromium", "caddy", "nginx", "docker", "podman", "promtool", "node")
"""Programs that tests, proxies and containers use; searching needs none of them."""

_ALIKE = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "faiss-gpu-cuvs")


def plain(name: str) -> str:
    """Return a package's name in the one form in which names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(folder: Path | None = None) -> dict[str, str]:
    """Return the versions of the packages in a folder, or in this environment, by name."""
    found = metadata.distributions() if folder is None else metadata.distributions(path=[str(folder)])
    return {plain(each.name): each.version for each in found if each.name}


def locked(lock: Path) -> dict[str, set[str]]:
    """Return the versions that a lock has, by name: several where they depend on the system or the Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^ ;\\]+)", lock.read_text("utf-8"), re.MULTILINE):
        versions.setdefault(plain(name), set()).add(version)
    return versions


def others(has: Mapping[str, str], lock: Mapping[str, set[str]], names: Iterable[str]) -> list[str]:
    """Return the packages that have another version than the lock, a text each."""
    return [
        f"{name} {has[name]} (locked: {' or '.join(sorted(lock[name]))})"
        for name in names
        if name in has and name in lock and has[name] not in lock[name]
    ]


def needed(requirements: list[str], own: bool) -> list[str]:
    """Return the names of the packages that serving needs, of the requirements in the metadata of `akin`.

    Args:
        requirements: Such as `httpx>=0.28; extra == "cli"`.
        own: True if the packages of the extras are needed, as in a clone; a wheel names all without an extra.
    """
    names = []
    for each in requirements:
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", each)
        if extra is None or (own and extra[1] in EXTRAS):
            names.append(plain(re.split(r"[\[<>=!~; ]", each)[0]))
    return names


def examine_packages(has: Mapping[str, str], lock: Mapping[str, set[str]], wanted: list[str]) -> Iterator[Finding]:
    """Yield the findings about the packages of this environment.

    Args:
        has: Installed versions by name.
        lock: Locked versions by name; empty for an installed wheel, which has no lock of its packages.
        wanted: Names of what is needed.
    """
    twins = [name for name in _ALIKE if name in has]
    missing = [name for name in wanted if name not in has and not (name in _ALIKE and twins)]
    if missing:
        advice = "make setup" if IS_CLONE else "pip install akin, in the same environment, with its dependencies"
        yield fail("packages", f"missing: {', '.join(sorted(missing))}", advice)
    if len(twins) > 1:
        yield fail(
            "packages",
            f"{' and '.join(twins)} are both installed, and are the same module",
            f"pip uninstall {twins[0]}",
        )
    other = others(has, lock, sorted(wanted))
    if other:
        advice = "make setup, unless this is wanted: the tests ran with the locked versions"
        yield warn("packages", f"other versions than locked: {', '.join(other)}", advice)
    if not missing and len(twins) < 2 and not other:
        yield ok("packages", f"{len(wanted)} of {len(wanted)} are there" + (", in the locked versions" if lock else ""))


def examine_environment() -> Iterator[Finding]:
    """Yield the findings about the packages of this very environment."""
    requirements = metadata.requires("akin") or []
    lock = locked(LOCKS / "all.lock") if IS_CLONE else {}
    yield from examine_packages(installed(), lock, needed(requirements, IS_CLONE))
    here = [name for name in OPTIONAL_TOOLS if shutil.which(name)]
    yield ok(
        "tools",
        f"searching needs none; for tests, proxies and containers there are: {', '.join(here) or 'none'}",
    )


def examine_server(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about the Triton server and the Python that runs the encoder in it."""
    if settings.triton_url:
        yield ok("triton", f"elsewhere: {settings.triton_url} (AKIN_TRITON_URL); no server is needed here")
        return
    if is_installation(settings):
        yield ok("triton", f"an installation in {settings.triton_home}")
        return
    if not server_setup.is_ready(settings):
        yield fail("triton", f"no server, or that of another release, in {settings.triton_home}", f"run {SETUP}")
        return
    try:
        server_environment(settings, {})
    except AkinError as error:
        yield fail("triton", str(error), f"correct that, then run {SETUP}")
        return
    version, _ = server_python(settings)
    places = {
        server_setup.SERVER: settings.triton_home / "server",
        server_setup.PYTHON: settings.triton_home / f"python/lib/python{version}/site-packages",
    }
    wrong = []
    for lock, folder in places.items():
        has = installed(folder)
        wanted = locked(lock)
        if not wanted.keys() & has.keys():
            wrong.append(f"none of {lock.name} in {folder}")
        wrong += others(has, wanted, sorted(wanted))
    if wrong:
        advice = f"remove {settings.triton_home} and run {SETUP}"
        yield warn("triton", f"other packages than locked: {', '.join(wrong)}", advice)
    else:
        yield ok("triton", f"set up in {settings.triton_home}, with Python {version}, in the locked versions")
