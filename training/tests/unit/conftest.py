"""Folders that every composed configuration needs."""

import pytest


@pytest.fixture(autouse=True)
def _paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_DATA", "data")
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", "model_repository")
