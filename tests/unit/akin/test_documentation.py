"""Test that the documentation names every setting, and only settings that are defined."""

from __future__ import annotations

import re

from akin.settings.reference import definitions
from akin.stack_settings import ROOT

NAME = re.compile(r"\b(?:AKIN_[A-Z0-9_]*[A-Z0-9]|(?:TRITON|PYTHON|PROMETHEUS|ALERTMANAGER|GRAFANA)_IMAGE)\b")
ROOMS = ("akin", "gradio_ui", "loadtests", "model_repository", "retrieval_service")


def test_every_setting_is_documented() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    documented = {name for page in pages for name in NAME.findall(page.read_text())}
    assert len(definitions()) > 40
    assert documented == set(definitions())


def test_every_variable_that_code_names_is_defined() -> None:
    code = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    named = {name for path in code for name in NAME.findall(path.read_text())}
    assert len(named) > 15
    assert named - set(definitions()) == set()
