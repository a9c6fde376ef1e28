"""Settings of a stack whose data is in the test's own folder, and tables as a program that reads them gets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from akin.cli import output
from akin.stack_settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.read({"AKIN_DATA": str(tmp_path)})


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away the width of the terminal that the tests run in; workers of pytest-xdist set one too."""
    monkeypatch.delenv("COLUMNS", raising=False)
    output._console.cache_clear()
    yield
    output._console.cache_clear()
