"""Settings of a stack whose data is in the test's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from akin.stack_settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.read({"AKIN_DATA": str(tmp_path)})
