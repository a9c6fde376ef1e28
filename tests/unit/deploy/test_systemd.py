"""Test the units of deploy/systemd, with systemd itself where it is installed."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from akin.cli import app
from akin.stack_settings import ROOT

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.iterdir())


def read(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / name)
    return parser


def test_a_service_runs_a_command_that_exists_as_an_ordinary_user() -> None:
    services = [path.name for path in UNITS if path.suffix == ".service"]
    assert services
    for name in services:
        unit = read(name)["Service"]
        program, *arguments = unit["ExecStart"].split()
        assert Path(program).name == "akin"
        assert arguments[0] in get_command(app).commands  # type: ignore[attr-defined]
        assert unit["User"] == "akin"
        assert unit["NoNewPrivileges"] == "true"


def test_a_timer_starts_a_service_that_is_there_and_makes_up_for_missed_times() -> None:
    timers = [path for path in UNITS if path.suffix == ".timer"]
    assert timers
    for path in timers:
        assert path.with_suffix(".service").is_file()
        assert read(path.name)["Timer"]["Persistent"] == "true"


def test_systemd_itself_agrees(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine: install Debian's package `systemd`")
    for path in UNITS:
        # It refuses a program that is not installed.
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/akin/bin/akin", "/bin/true"))
    units = [str(tmp_path / path.name) for path in UNITS]
    found = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_the_documentation_installs_every_unit() -> None:
    documented = (ROOT / "docs" / "operations.md").read_text()
    assert UNITS
    assert all(path.suffix in {".service", ".timer"} and f"deploy/systemd/{path.stem}" in documented for path in UNITS)
