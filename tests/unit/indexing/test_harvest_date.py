"""Decide up to which day a snapshot has the changes of its repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from akin.indexing.harvest_date import claim_harvest
from akin.papers.remote import ARXIV, Harvest
from retrieval_service.corpus.manifest import EncoderRecord
from tests.unit.published import published_manifest


@pytest.mark.parametrize(
    ("url", "until", "words"),
    [(ARXIV, "2026-03-01", ""), ("https://mirror.example/oai", "2026-01-31", f"the snapshot of {ARXIV}")],
)
def test_a_manifest_without_an_address_means_arxivs_repository(
    tmp_path: Path, url: str, until: str, words: str
) -> None:
    """Read the manifests of earlier versions, which wrote no address."""
    before = published_manifest(tmp_path, "one", EncoderRecord(1, "a" * 64, 384), harvested="2026-01-31")
    assert before.repository is None
    harvest = Harvest("h.jsonl", url, None, "2026-01-31", "2026-03-01", 1, 0, 0, "0" * 64)
    claim = claim_harvest(before, None, harvest)
    assert claim.until == until
    assert words in claim.unclaimed


def test_an_empty_harvest_does_not_move_the_day(tmp_path: Path) -> None:
    before = published_manifest(tmp_path, "one", EncoderRecord(1, "a" * 64, 384), harvested="2026-01-31")
    harvest = Harvest("h.jsonl", ARXIV, None, None, "", 0, 0, 0, "0" * 64)
    assert claim_harvest(before, None, harvest).until == "2026-01-31"
