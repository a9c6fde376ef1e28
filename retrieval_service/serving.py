"""What is being served right now: the live snapshot with its encoder, swapped when another is published."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from retrieval_service.errors import (
    EncoderBusy,
    EncoderMismatch,
    EncoderRefused,
    EncoderUnavailable,
    NoSnapshot,
    ServiceError,
    SnapshotError,
    Unavailable,
)
from retrieval_service.ports import (
    Catalogue,
    Embedded,
    Encoder,
    EncoderIdentity,
    EncoderSource,
    LexicalIndex,
    VectorIndex,
)
from retrieval_service.snapshot import Manifest, Shelf, Snapshot, open_snapshot, read_manifest

_log = logging.getLogger(__name__)
_BUILD_COMMAND = "akin index build sample"
_MISSES_ALLOWED = 2


Warm = Callable[["Served"], Awaitable[None]]


class Observer(Protocol):
    """Is told what happens to what is served."""

    def snapshot_changed(self, manifest: Manifest) -> None:
        """Another snapshot is live."""

    def encoder_failed(self, error: Unavailable) -> None:
        """The encoder gave no vector."""


class Served:
    """A snapshot with its encoder. Whoever uses it holds it, and it is closed when the last one let go.

    Attributes:
        manifest: what the snapshot is.
        encoder: made its vectors and is ready; None while that is not so.
        trouble: why there is no encoder.
        corpus_answer: the answer that describes the corpus, kept once it was made.
    """

    def __init__(self, snapshot: Snapshot, encoder: Encoder | None, trouble: Unavailable | None, see: Observer) -> None:
        """Takes over the snapshot."""
        self.manifest = snapshot.manifest
        self.encoder = encoder
        self.trouble = trouble
        self.corpus_answer: bytes | None = None
        self._snapshot = snapshot
        self._see = see
        self._failed = self._answered = False
        self._holders = 0
        self._retired = False

    @property
    def vectors(self) -> VectorIndex:
        """The vector index."""
        return self._snapshot.vectors

    @property
    def without_gpu(self) -> str | None:
        """Why vectors are searched in main memory although a GPU was asked for."""
        return self._snapshot.without_gpu or getattr(self._snapshot.vectors, "trouble", None)

    @property
    def lexical(self) -> LexicalIndex:
        """The lexical index."""
        return self._snapshot.lexical

    @property
    def catalogue(self) -> Catalogue:
        """The papers."""
        return self._snapshot.catalogue

    async def embed(self, text: str) -> tuple[Embedded, EncoderIdentity]:
        """The vector of a query.

        Raises:
            Unavailable: there is none now. A lost encoder is not asked again until the watch has found it.
        """
        encoder = self.encoder
        if encoder is None:
            raise self.trouble or EncoderUnavailable("The encoder is not ready.")
        try:
            embedded = await encoder.embed_queries([text])
        except EncoderMismatch as error:
            self.lose_encoder(error)
            raise
        except EncoderUnavailable as error:
            # One query that is late, or that fails by itself, takes the encoder from nobody else: the watch finds out.
            self._failed = self._failed or not isinstance(error, (EncoderBusy, EncoderRefused))
            self._see.encoder_failed(error)
            raise
        self._answered = True
        return embedded, encoder.identity

    def doubts_encoder(self) -> bool:
        """Whether queries failed and none was answered, neither since then nor since this was last asked."""
        self._failed, self._answered = self._failed and not self._answered, False
        return self._failed

    def regain_encoder(self, encoder: Encoder) -> None:
        """Goes on with an encoder that was just seen to answer."""
        if self.encoder is None:
            _log.info("The encoder is found: version %d.", encoder.identity.version)
        self.encoder, self.trouble, self._failed = encoder, None, False

    def lose_encoder(self, error: Unavailable) -> None:
        """Goes on without the encoder until it is found again."""
        if self.encoder is not None:
            _log.warning("The encoder is lost: %s", error)
        self.encoder, self.trouble = None, error
        self._see.encoder_failed(error)

    @contextmanager
    def held(self) -> Iterator[Served]:
        """Keeps it open as long as the block runs."""
        self._holders += 1
        try:
            yield self
        finally:
            self._holders -= 1
            self._close_if_done()

    def retire(self) -> None:
        """Closes it once nobody holds it."""
        self._retired = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._retired and not self._holders:
            self._snapshot.close()


class Serving:
    """Keeps the newest usable snapshot served, and its encoder found. Lives in one event loop."""

    def __init__(
        self,
        shelf: Shelf,
        encoders: EncoderSource,
        see: Observer,
        *,
        open_as: Callable[[Path], Snapshot] = open_snapshot,
        warm: Warm | None = None,
        watch_seconds: float,
    ) -> None:
        """Opens nothing yet.

        Args:
            shelf: where snapshots are.
            encoders: where encoders are found.
            see: is told what happens.
            open_as: opens a snapshot.
            warm: searches a new snapshot once before it is served.
            watch_seconds: between two looks.
        """
        self._shelf = shelf
        self._encoders = encoders
        self._see = see
        self._open = open_as
        self._warm = warm
        self._watch_seconds = watch_seconds
        self._served: Served | None = None
        self._refused: tuple[str, ServiceError] | None = None
        self._misses = 0
        self._waits_for = ""
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Opens the live snapshot, if there is one, and begins to watch."""
        await self.refresh()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stops watching and closes everything."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        if self._served is not None:
            self._served.retire()
            self._served = None
        await self._encoders.close()

    @property
    def current(self) -> Served | None:
        """What is served; None before there is a usable snapshot."""
        return self._served

    @property
    def refusal(self) -> ServiceError | None:
        """Why the snapshot that CURRENT names is not the one being served."""
        return self._refused[1] if self._refused else None

    @contextmanager
    def held(self) -> Iterator[Served]:
        """What is served, kept open as long as the block runs.

        Raises:
            NoSnapshot: nothing is, because none was built or the one there is cannot be used.
            EncoderMismatch: the one there is was made by another encoder than the one that runs.
        """
        if self._served is None:
            if isinstance(self.refusal, Unavailable):
                raise self.refusal
            if self.refusal is not None:
                raise NoSnapshot(f"{self.refusal.message} Build it again: {_BUILD_COMMAND}", self.refusal.detail)
            raise NoSnapshot(
                f"There are no papers to search yet. Index some: {_BUILD_COMMAND}", {"command": _BUILD_COMMAND}
            )
        with self._served.held() as served:
            yield served

    async def embed(self, text: str) -> tuple[Embedded, EncoderIdentity]:
        """The vector of a text by the encoder of what is served; without a snapshot, by the newest one that is ready.

        Raises:
            Unavailable: there is none now.
        """
        if self._served is not None:
            return await self._served.embed(text)
        encoder = await self._encoders.find()
        return await encoder.embed_queries([text]), encoder.identity

    async def refresh(self) -> None:
        """Looks for a new snapshot, and for an encoder that is missing or gone."""
        named = await asyncio.to_thread(self._shelf.current)
        served = self._served
        if named is not None and (served is None or served.manifest.id != named):
            await self._change_to(named)
        elif served is not None:
            self._refused = None
            await self._attend(served)
        self._say_for_whom()

    def _say_for_whom(self) -> None:
        """Writes down what is waited for, when that changes; a refused snapshot was told of already."""
        served = self._served
        waits_for = ""
        if served is None and self._refused is None:
            waits_for = f"a snapshot in {self._shelf.root}. One is made by: {_BUILD_COMMAND}"
        elif served is not None and served.encoder is None:
            waits_for = f"the encoder. {served.trouble}"
        if waits_for and waits_for != self._waits_for:
            _log.warning("Waiting for %s", waits_for)
        self._waits_for = waits_for

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._watch_seconds)
            try:
                await self.refresh()
            except OSError as error:
                _log.warning("The snapshots cannot be looked at: %s", error)
            except Exception:
                # A mistake in here must be seen, and must not end the watching for good.
                _log.exception("Looking for a new snapshot failed.")

    async def _change_to(self, named: str) -> None:
        before = self._served
        try:
            path = self._shelf.path(named)
            digest = read_manifest(path).encoder.digest
            encoder, trouble = await self._encoder(digest, named, before.encoder if before else None)
            if before is not None and before.encoder is not None and encoder is None:
                # Triton is slow, or going: until it is known which, searches go on by the encoder that there is.
                await self._attend(before)
                return
            snapshot = await asyncio.to_thread(self._open, path)
        except (SnapshotError, EncoderMismatch) as error:
            self._refuse(named, error)
            if before is not None:
                await self._attend(before)
            return
        served = Served(snapshot, encoder, trouble, self._see)
        if self._warm is not None:
            try:
                await self._warm(served)
            except BaseException:
                served.retire()
                raise
        self._served = served
        self._refused = None
        self._see.snapshot_changed(snapshot.manifest)
        _log.info("Serving snapshot %s: %d papers.", named, snapshot.manifest.papers)
        if before is not None:
            before.retire()

    async def _encoder(
        self, digest: str, named: str, in_use: Encoder | None = None
    ) -> tuple[Encoder | None, Unavailable | None]:
        if in_use is not None and in_use.identity.digest == digest:
            return in_use, None
        try:
            return await self._encoders.find(digest), None
        except EncoderMismatch as error:
            raise EncoderMismatch(
                f"Snapshot {named} was made by encoder {digest[:12]}. {error.message} Promote the encoder it was made "
                "by (akin encoder list, akin encoder promote), or build the index again (akin index build).",
                error.detail,
            ) from error
        except EncoderUnavailable as error:
            # Which encoder will come back cannot be told; until then lexical search needs none.
            return None, error

    async def _attend(self, served: Served) -> None:
        in_use, doubts = served.encoder, served.doubts_encoder()
        if in_use is not None and not doubts and await self._encoders.alive(in_use.identity.version):
            self._misses = 0
            return
        try:
            found, trouble = await self._encoder(served.manifest.encoder.digest, served.manifest.id)
        except EncoderMismatch as error:
            found, trouble = None, error
            self._misses = _MISSES_ALLOWED
        if found is not None:
            self._misses = 0
            served.regain_encoder(found)
        elif in_use is None:
            served.trouble = trouble
        elif trouble is not None and not isinstance(trouble, EncoderBusy):
            # One late answer is not a loss: Triton is slow to say anything while it is fully busy.
            self._misses += 1
            if self._misses >= _MISSES_ALLOWED:
                served.lose_encoder(trouble)

    def _refuse(self, named: str, error: ServiceError) -> None:
        if self._refused is None or self._refused[0] != named or self._refused[1].message != error.message:
            kept = f"; {self._served.manifest.id} stays" if self._served else ""
            _log.error("Snapshot %s is refused%s: %s", named, kept, error)
        self._refused = (named, error)
