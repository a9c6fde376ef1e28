"""Build a snapshot whose new keys the embedding store merges more than once (make test-long)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import blake2b, sha256
from pathlib import Path

import numpy as np
import pytest

from akin.indexing.build import build_snapshot
from akin.indexing.embedding_store import MERGE_AFTER
from akin.indexing.verify import check_rows
from akin.papers import Paper
from retrieval_service.corpus import SnapshotDirectory, verify_snapshot
from retrieval_service.ports import EmbeddingBatch, EncoderIdentity, InputType

pytestmark = pytest.mark.long


class DigestEncoder:
    """Encoder whose vectors are made of each text's digest, which takes no time."""

    identity = EncoderIdentity(1, sha256(b"digest").hexdigest(), 32, max_length=64, device="cpu")

    async def embed_queries(self, texts: Sequence[str], input_type: InputType = "query") -> EmbeddingBatch:
        return await self.embed_passages(texts)

    async def embed_passages(self, texts: Sequence[str], input_type: InputType = "passage") -> EmbeddingBatch:
        content = b"".join(blake2b(text.encode(), digest_size=32).digest() for text in texts)
        drawn = np.frombuffer(content, np.uint8).reshape(len(texts), 32).astype(np.float32) - 127.5
        return EmbeddingBatch(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.full(len(texts), 9, np.int32))


def test_150_000_papers_are_right_row_by_row(tmp_path: Path) -> None:
    count = 150_000
    assert count > 2 * MERGE_AFTER
    papers = (Paper(f"n/{n}", f"On number {n}", f"{n} is {n % 97} modulo 97.") for n in range(count))
    manifest = asyncio.run(build_snapshot(papers, DigestEncoder(), tmp_path, source_name="generated"))
    directory = SnapshotDirectory(tmp_path).path(manifest.id)
    assert verify_snapshot(directory) == []
    found = check_rows(directory, tmp_path, rows=None)
    assert (found.papers, found.texts, found.vectors) == (count, count, count)
    assert (found.damage, found.not_compared) == ([], [])
