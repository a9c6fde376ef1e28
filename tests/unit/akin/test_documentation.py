"""The documentation names everything that can be set."""

from __future__ import annotations

import re

from akin.settings import ROOT
from retrieval_service.settings import Settings

NAME = re.compile(r"\bAKIN_[A-Z0-9_]*[A-Z0-9]\b")
ROOMS = ("akin", "gradio_ui", "loadtests", "model_repository", "retrieval_service")


def test_every_setting_is_documented() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    documented = {name for page in pages for name in NAME.findall(page.read_text())}
    code = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    read = {name for path in code for name in NAME.findall(path.read_text())}
    read |= {f"AKIN_{name.upper()}" for name in Settings.model_fields}
    assert len(read) > 30
    assert read - documented == set()
