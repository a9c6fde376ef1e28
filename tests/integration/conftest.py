"""Fixtures of a generated corpus, for the tests of indexing and of the service."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.integration.generated import Corpus, HashEncoder, OneEncoder, build, generated_papers, hashed, words


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
