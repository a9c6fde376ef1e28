"""A refused snapshot is opened again when its files change or after growing pauses; raised errors do not grow."""

from __future__ import annotations

import gc
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from traceback import walk_tb
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from retrieval_service.adapters.micro_batches import MicroBatches
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.live_corpus import LiveCorpus
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.corpus.refusals import LONGEST_PAUSE, RefusedSnapshots, file_states
from retrieval_service.errors import EncoderMismatch, EncoderUnavailable, NoSnapshot, SnapshotInvalid, Unavailable
from retrieval_service.metrics import Metrics
from retrieval_service.ports import EncoderIdentity
from tests.unit.clock import Clock
from tests.unit.published import published_manifest
from tests.unit.retrieval_service.test_live_corpus import Encoders

DIGEST = "a" * 64


class Refused:
    """A live corpus whose only snapshot cannot be opened."""

    def __init__(self, data: Path, error: Unavailable) -> None:
        self.clock = Clock()
        self.opened = 0
        self.encoders = Encoders()
        self.encoders.slow = error
        self.serving = LiveCorpus(
            SnapshotDirectory(data), self.encoders, Metrics(), open_as=self._open, watch_seconds=1.0
        )
        self.serving._refusals = RefusedSnapshots(1.0, self.clock)
        self.files = published_manifest(data, "one", EncoderRecord(1, DIGEST, 2))
        self.path = SnapshotDirectory(data).path("one")
        (self.path / "vectors.faiss").write_bytes(b"bad")
        SnapshotDirectory(data).use("one")

    def _open(self, path: Path) -> Any:
        self.opened += 1
        raise SnapshotInvalid(path / "vectors.faiss", "is damaged")

    async def looks(self, times: int, every: float = 1.0) -> None:
        for _ in range(times):
            await self.serving.refresh()
            self.clock.now += every


@pytest.fixture
def room(tmp_path: Path) -> Refused:
    return Refused(tmp_path, EncoderUnavailable("Triton is away."))


async def test_a_refused_snapshot_is_opened_after_growing_pauses(room: Refused) -> None:
    await room.looks(3600)
    # After 1, 2, 4 … 256 seconds, then every 300, instead of 3,600 times.
    assert 15 < room.opened < 25
    assert isinstance(room.serving.refusal, SnapshotInvalid)
    opened = room.opened
    await room.looks(4, LONGEST_PAUSE)
    assert room.opened >= opened + 3


@pytest.mark.parametrize("change", ["content", "touched", "replaced", "added", "removed"])
async def test_it_is_opened_at_once_when_a_file_changed(room: Refused, change: str) -> None:
    await room.looks(200)
    opened = room.opened
    await room.looks(1, 0)
    assert room.opened == opened
    path = room.path / "vectors.faiss"
    if change == "replaced":
        (other := room.path.parent / "other").write_bytes(b"bad")
        other.rename(path)
    else:
        {
            "content": lambda: path.write_bytes(b"better"),
            "touched": path.touch,
            "added": lambda: (room.path / "more").touch(),
            "removed": path.unlink,
        }[change]()
    await room.looks(1, 0)
    assert room.opened == opened + 1


async def test_another_snapshot_is_opened_at_once_and_so_is_the_first_when_it_is_named_again(
    room: Refused, tmp_path: Path
) -> None:
    await room.looks(50)
    opened = room.opened
    published_manifest(tmp_path, "two", EncoderRecord(1, DIGEST, 2))
    SnapshotDirectory(tmp_path).use("two")
    await room.looks(1, 0)
    assert room.opened == opened + 1
    SnapshotDirectory(tmp_path).current_file.write_text("three\n")
    await room.looks(1, 0)
    assert room.opened == opened + 1
    published_manifest(tmp_path, "three", EncoderRecord(1, DIGEST, 2))
    await room.looks(1, 0)
    assert room.opened == opened + 2


async def test_a_missing_encoder_is_looked_for_at_every_refresh(tmp_path: Path) -> None:
    room = Refused(tmp_path, EncoderMismatch("Triton serves another one."))
    await room.looks(20)
    assert (room.encoders.asked, room.opened) == (20, 0)
    room.encoders.slow = EncoderUnavailable("Triton is away.")
    await room.looks(1)
    assert room.opened == 1


def whole(room: Refused, **more: Any) -> Any:
    return SimpleNamespace(
        manifest=room.files, vectors=None, lexical=None, catalogue=None, covered=None, references=None, **more
    )


async def test_a_snapshot_whose_warm_up_fails_is_not_opened_at_every_refresh(tmp_path: Path) -> None:
    room = Refused(tmp_path, EncoderUnavailable("Triton is away."))
    closed: list[int] = []

    async def warm(_: Any) -> None:
        raise ZeroDivisionError

    room.serving._open = lambda _: whole(room, close=lambda: closed.append(1))
    room.serving._warm = warm
    for _ in range(100):
        if room.serving._refusals.is_refused("one", file_states(room.path)):
            await room.serving.refresh()
        else:
            with pytest.raises(ZeroDivisionError):
                await room.serving.refresh()
        room.clock.now += 1
    assert 5 < len(closed) < 10


def depth(error: BaseException) -> int:
    return len(list(walk_tb(error.__traceback__)))


async def test_an_error_that_is_raised_repeatedly_does_not_grow(tmp_path: Path) -> None:
    room = Refused(tmp_path, EncoderMismatch("Triton serves another one."))
    await room.looks(1)
    raised: list[BaseException] = []
    for _ in range(50):
        with pytest.raises(EncoderMismatch, match="Triton serves another one") as caught, room.serving.hold():
            pass
        raised.append(caught.value)
    assert len(set(map(id, raised))) == 50
    assert len(set(map(depth, raised))) == 1
    assert room.serving.refusal is not None
    assert room.serving.refusal.__traceback__ is None
    room = Refused(tmp_path / "more", EncoderUnavailable("away"))
    await room.looks(1)
    with pytest.raises(NoSnapshot, match="is damaged"), room.serving.hold():
        pass
    assert room.serving.refusal is not None
    assert (room.serving.refusal.__traceback__, room.serving.refusal.__context__) == (None, None)


async def test_each_query_gets_its_own_error_when_the_encoder_is_lost(room: Refused) -> None:
    class Another:
        identity = EncoderIdentity(1, DIGEST, 2)

        async def embed_queries(self, *_: Any) -> Any:
            raise EncoderMismatch("Version 1 was another one.")

    served = OpenCorpus(whole(room), Another(), None, Metrics())  # type: ignore[arg-type]
    raised: list[BaseException] = []
    for _ in range(50):
        with pytest.raises(EncoderMismatch, match="Version 1 was another one") as caught:
            await served.embed("a query")
        raised.append(caught.value)
    assert len(set(map(id, raised))) == 50
    assert len(set(map(depth, raised[1:]))) == 1
    assert served.encoder_error is not None
    assert (served.encoder_error.__traceback__, served.encoder) == (None, None)


async def test_a_kept_error_keeps_no_local_variables_in_memory(room: Refused) -> None:
    class Large:
        pass

    known: list[weakref.ref[Large]] = []

    def opened(path: Path) -> Any:
        large = Large()
        known.append(weakref.ref(large))
        try:
            raise RuntimeError("no index")
        except RuntimeError as error:
            raise SnapshotInvalid(path, "is damaged") from error

    room.serving._open = opened
    await room.looks(1)
    gc.collect()
    assert room.serving.refusal is not None
    assert known[0]() is None


def test_every_error_can_be_copied() -> None:
    for error in (
        SnapshotInvalid(Path("a"), "is damaged"),
        EncoderMismatch("other", {"wanted": "a"}),
        EncoderUnavailable("away"),
    ):
        copy = error.copy()
        assert type(copy) is type(error)
        assert copy is not error
        assert (str(copy), copy.message, copy.detail, copy.args) == (
            str(error),
            error.message,
            error.detail,
            error.args,
        )
    assert SnapshotInvalid(Path("a"), "is damaged").copy().path == Path("a")


def test_each_query_of_a_failed_batch_gets_its_own_error() -> None:
    def search(*_: Any) -> Any:
        raise MemoryError("out of memory on device")

    batches = MicroBatches(search)
    try:

        def ask(_: int) -> BaseException:
            try:
                batches.search(np.zeros(2, np.float32), 1)
            except RuntimeError as error:
                return error
            raise AssertionError("it should fail")

        with ThreadPoolExecutor(8) as pool:
            errors = list(pool.map(ask, range(64)))
    finally:
        batches.close()
    assert {str(error) for error in errors} == {"out of memory on device"}
    assert len(set(map(id, errors))) == 64
    assert max(map(depth, errors)) == min(map(depth, errors))
    assert sys.exc_info() == (None, None, None)
