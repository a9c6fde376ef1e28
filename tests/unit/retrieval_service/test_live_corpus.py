"""The live corpus: when its encoder counts as lost, and the encoder that a new snapshot gets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from retrieval_service.corpus import Manifest, Snapshot, SnapshotDirectory, read_manifest
from retrieval_service.corpus.live_corpus import LiveCorpus
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.errors import EncoderBusy, EncoderMismatch, EncoderUnavailable, Unavailable
from retrieval_service.ports import EmbeddingBatch, EncoderIdentity, InputType
from tests.unit.published import published_manifest

LATE = EncoderUnavailable("Triton did not answer within 2 s.")


class Encoder:
    """An encoder that fails with `trouble`, where that is set."""

    def __init__(self, version: int, digest: str) -> None:
        self.identity = EncoderIdentity(version, digest, 2)
        self.trouble: Unavailable | None = None

    async def embed_queries(self, texts: Sequence[str], input_type: InputType = "query") -> EmbeddingBatch:
        if self.trouble is not None:
            raise self.trouble
        return EmbeddingBatch(np.ones((len(texts), 2), np.float32), np.ones(len(texts), np.int32))

    embed_passages = embed_queries


class Encoders:
    """Triton with its ready versions; where `slow` is set, finding an encoder fails with it."""

    def __init__(self, *encoders: Encoder) -> None:
        self.ready = {encoder.identity.version: encoder for encoder in encoders}
        self.slow: Unavailable | None = None
        self.answers = True
        self.asked = 0

    async def find(self, digest: str | None = None) -> Encoder:
        self.asked += 1
        if self.slow is not None:
            raise self.slow
        for encoder in self.ready.values():
            if encoder.identity.digest == digest:
                return encoder
        raise EncoderMismatch("Triton serves another one.")

    async def is_ready(self, version: int) -> bool:
        return self.answers and version in self.ready

    async def close(self) -> None:
        pass


class Watched:
    """A live corpus that the test refreshes, instead of a timer."""

    def __init__(self, data: Path, *encoders: Encoder) -> None:
        self.snapshots = SnapshotDirectory(data)
        self.triton = Encoders(*encoders)
        self.serving = LiveCorpus(self.snapshots, self.triton, self, open_as=self._opened, watch_seconds=60)
        self.failures: list[Unavailable] = []
        self.losses = 0

    def record_snapshot(self, manifest: Manifest) -> None:
        pass

    def record_damage(self, is_so: bool) -> None:
        pass

    def record_encoder_failure(self, error: Unavailable) -> None:
        self.failures.append(error)

    def record_encoder_loss(self) -> None:
        self.losses += 1

    def publish(self, name: str, encoder: Encoder) -> None:
        record = EncoderRecord(encoder.identity.version, encoder.identity.digest, 2)
        published_manifest(self.snapshots.root.parent, name, record)
        self.snapshots.use(name)

    def _opened(self, path: Path) -> Snapshot:
        parts: Any = SimpleNamespace(close=lambda: None)
        return Snapshot(read_manifest(path), parts, parts, parts, parts, parts)

    @property
    def served(self) -> OpenCorpus:
        assert self.serving.current is not None
        return self.serving.current


@pytest.fixture
def ours() -> Encoder:
    return Encoder(1, "a" * 64)


@pytest.fixture
async def watched(tmp_path: Path, ours: Encoder) -> Watched:
    watched = Watched(tmp_path, ours)
    watched.publish("first", ours)
    await watched.serving.refresh()
    return watched


async def fails(watched: Watched) -> None:
    with pytest.raises(Unavailable):
        await watched.served.embed("a query")


async def test_late_queries_among_others_do_not_drop_the_encoder(watched: Watched, ours: Encoder) -> None:
    for _ in range(5):
        ours.trouble = LATE
        await fails(watched)
        ours.trouble = None
        await watched.served.embed("another query")
        # A check of the encoder would be late now; the answered query makes it unnecessary.
        watched.triton.slow = LATE
        await watched.serving.refresh()
    assert len(watched.failures) == 5


async def test_an_encoder_that_fails_all_queries_is_dropped_at_the_second_failed_check(
    watched: Watched, ours: Encoder
) -> None:
    ours.trouble = watched.triton.slow = LATE
    await fails(watched)
    await watched.serving.refresh()
    assert watched.served.encoder is ours
    await watched.serving.refresh()
    assert (watched.served.encoder, watched.served.encoder_error) == (None, LATE)
    await watched.serving.refresh()
    assert watched.losses == 1  # once, however long it is away
    watched.triton.slow = ours.trouble = None
    await watched.serving.refresh()
    await watched.served.embed("a query")


async def test_failed_queries_do_not_drop_an_encoder_that_passes_the_check(watched: Watched, ours: Encoder) -> None:
    for _ in range(3):
        ours.trouble = EncoderUnavailable("Triton cannot embed now: an internal error")
        await fails(watched)
        await watched.serving.refresh()
        assert watched.served.encoder is ours
        assert not watched.served.needs_encoder_check()


async def test_a_busy_encoder_is_not_dropped(watched: Watched, ours: Encoder) -> None:
    ours.trouble = watched.triton.slow = EncoderBusy("Its queue is full.")
    watched.triton.answers = False
    for _ in range(4):
        await fails(watched)
        await watched.serving.refresh()
    assert watched.served.encoder is ours


async def test_an_encoder_with_another_digest_is_dropped_at_once(watched: Watched, ours: Encoder) -> None:
    ours.trouble = EncoderMismatch("Version 1 was another one.")
    await fails(watched)
    assert watched.served.encoder is None


async def test_the_version_in_use_is_the_one_that_is_checked(watched: Watched, ours: Encoder) -> None:
    watched.triton.ready = {2: Encoder(2, "b" * 64)}
    await watched.serving.refresh()
    assert watched.served.encoder is None
    watched.triton.ready = {3: (same := Encoder(3, ours.identity.digest))}
    await watched.serving.refresh()
    assert watched.served.encoder is same


async def test_a_new_snapshot_of_the_same_encoder_keeps_it_even_if_triton_is_slow(
    watched: Watched, ours: Encoder
) -> None:
    watched.triton.slow = LATE
    watched.publish("second", ours)
    await watched.serving.refresh()
    assert (watched.served.manifest.id, watched.served.encoder) == ("second", ours)


async def test_a_new_snapshot_of_another_encoder_waits_until_that_is_ready_or_none_is(
    watched: Watched, ours: Encoder
) -> None:
    other = Encoder(2, "b" * 64)
    watched.triton.ready[2] = other
    watched.triton.slow = LATE
    watched.publish("second", other)
    await watched.serving.refresh()
    assert (watched.served.manifest.id, watched.served.encoder) == ("first", ours)
    watched.triton.slow = None
    await watched.serving.refresh()
    assert (watched.served.manifest.id, watched.served.encoder) == ("second", other)
    watched.publish("third", ours)
    watched.triton.slow, watched.triton.answers = EncoderUnavailable("Triton is away."), False
    for _ in range(3):
        await watched.serving.refresh()
    assert (watched.served.manifest.id, watched.served.encoder) == ("third", None)
