"""The service over the shared generated corpus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from tests.integration.generated import Corpus
from tests.integration.service import client_of


@pytest.fixture
def client(corpus: Corpus) -> Iterator[TestClient]:
    """Yield a client of the service over the shared corpus."""
    with client_of(corpus.data, corpus.encoder, watch_seconds=0.05, search_threads=2) as client:
        yield client
