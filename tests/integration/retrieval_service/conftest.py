"""The service over the shared generated corpus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from retrieval_service.app import create_app
from retrieval_service.settings import Settings
from tests.integration.generated import Corpus, OneEncoder


@pytest.fixture
def client(corpus: Corpus) -> Iterator[TestClient]:
    """Yield a client of the service over the shared corpus."""
    settings = Settings(data=corpus.data, watch_seconds=0.05, search_threads=2)
    with TestClient(create_app(settings, OneEncoder(corpus.encoder)), raise_server_exceptions=False) as client:
        yield client
