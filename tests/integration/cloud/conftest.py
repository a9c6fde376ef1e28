"""A cloud on this machine, and the command line that uses it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from akin.cli import app
from akin.errors import AkinError
from tests.integration.cloud.fake_google import FakeGoogle, fake_google

Akin = Callable[..., tuple[int, str, str]]


@pytest.fixture
def google(tmp_path: Path) -> Iterator[FakeGoogle]:
    with fake_google(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
def akin(
    google: FakeGoogle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Akin:
    """Return a function that runs a command, and returns exit code, output and messages; an empty variable
    is removed."""
    monkeypatch.chdir(google.folder)
    folders = {"AKIN_DATA": str(tmp_path / "data"), "AKIN_MODEL_REPOSITORY": str(tmp_path / "models")}
    for name, value in {"HOME": str(tmp_path), "NO_GCE_CHECK": "true", **folders, **google.environment}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
        code = 0
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                if value:
                    patch.setenv(name, value)
                else:
                    patch.delenv(name)
            try:
                app(list(arguments), standalone_mode=False)
            except AkinError as error:  # as `akin.cli.main` prints it
                code = error.exit_code
                print(f"akin: {error}", file=sys.stderr)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run
