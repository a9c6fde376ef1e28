"""Test that the light rooms can be imported on macOS and Windows: without the modules and calls that only Linux has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("akin.edge", "akin.papers", "akin.settings", "akin.storage", "gradio_ui", "akin_client")
PURE = """
training.arrays training.command training.errors training.progress training.schema training.data.config
training.data.corpus training.data.feedback_pairs training.data.leaks training.data.negatives training.data.neighbours
training.data.pairs training.data.split
""".split()
LISTS = (".github/light-tests.txt", ".github/light-training-tests.txt")

# Each room is imported once with all that Linux has, so that the packages of others are there; then again without it.
IMPORT = """
import importlib, io, os, pkgutil, signal, sys, types

rooms, pure = (each.split(",") for each in sys.argv[1:])
opened = io.open


def import_all():
    for room in rooms:
        package = importlib.import_module(room)
        yield room
        for module in pkgutil.walk_packages(package.__path__, room + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
                yield module.name
    for name in pure:
        importlib.import_module(name)
        yield name


def open_but_proc(path, *arguments, **keywords):
    assert not str(path).startswith("/proc"), f"{path} is read at import"
    return opened(path, *arguments, **keywords)


list(import_all())
for name in ("resource", "pwd", "grp", "termios", "pty", "tty", "syslog"):
    sys.modules[name] = None
for name in ("fork", "getuid", "geteuid", "getpgid", "killpg", "sched_getaffinity", "posix_fadvise", "uname"):
    delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGQUIT"):
    delattr(signal, name)
io.open = open_but_proc
for system, there, missing in (("darwin", "fcntl", "msvcrt"), ("win32", "msvcrt", "fcntl")):
    for name in list(sys.modules):
        if name.partition(".")[0] in ("akin", "akin_client", "gradio_ui", "training"):
            del sys.modules[name]
    sys.platform, sys.modules[there], sys.modules[missing] = system, types.ModuleType(there), None
    for name in import_all():
        print(system, name)
"""


def test_the_light_rooms_are_imported_without_what_only_linux_has() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, ",".join(ROOMS), ",".join(PURE)],
        cwd=ROOT,
        env={"PYTHONPATH": "client:training/src:.", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for system in ("darwin", "win32"):
        imported = {line.split()[1] for line in done.stdout.splitlines() if line.startswith(system)}
        assert len(imported) > 100
        assert {"akin.papers.remote.partial", "akin.storage.locks", "gradio_ui.app", *PURE} <= imported


def test_the_lists_of_tests_for_other_systems_name_tests() -> None:
    for name in LISTS:
        lines = (ROOT / name).read_text("utf-8").splitlines()
        assert lines
        assert all((ROOT / line.removeprefix("--confcutdir=")).exists() for line in lines)
