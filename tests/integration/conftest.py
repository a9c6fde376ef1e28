"""Fixtures of a generated corpus, for the tests of indexing and of the service."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.integration import generated


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("integration")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> generated.Corpus:
    """Build 1,500 papers with an exact index; a test must not change it."""
    data = tmp_path_factory.mktemp("corpus")
    return generated.Corpus(data, *generated.built(data, 1500))


@pytest.fixture
def kit() -> SimpleNamespace:
    """Return the functions that make a test's own corpus."""
    return SimpleNamespace(
        papers=generated.generated_papers, Encoder=generated.HashEncoder, OneEncoder=generated.OneEncoder,
        build=generated.build, built=generated.built, hashed=generated.hashed, words=generated.words,
    )  # fmt: skip
