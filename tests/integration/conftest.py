"""Fixtures of a generated corpus, for the tests of indexing and of the service."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.integration.generated import Corpus, HashEncoder, OneEncoder, build, generated_papers, hashed, words


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("integration")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Build 1,500 papers with an exact index; a test must not change it."""
    data, encoder, papers = tmp_path_factory.mktemp("corpus"), HashEncoder(), generated_papers(1500)
    return Corpus(data, papers, encoder, build(papers, encoder, data))


@pytest.fixture
def kit() -> SimpleNamespace:
    """Return the functions that make a test's own corpus."""
    return SimpleNamespace(
        papers=generated_papers, Encoder=HashEncoder, OneEncoder=OneEncoder, build=build, hashed=hashed, words=words
    )
