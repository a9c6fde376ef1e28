"""What is being served right now: the live snapshot with its encoder, swapped when another is published."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from retrieval_service.corpus.background_check import BackgroundCheck
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import read_manifest
from retrieval_service.corpus.open_corpus import CorpusObserver, OpenCorpus
from retrieval_service.corpus.refusals import Refusals, file_states
from retrieval_service.corpus.snapshot import Snapshot, open_snapshot
from retrieval_service.errors import (
    EncoderBusy,
    EncoderMismatch,
    EncoderUnavailable,
    NoSnapshot,
    RetrievalError,
    SnapshotError,
    SnapshotInvalid,
    Unavailable,
)
from retrieval_service.ports import Embedded, Encoder, EncoderIdentity, EncoderSource

_log = logging.getLogger(__name__)
_BUILD_COMMAND = "akin index build sample"
_MISSES_ALLOWED = 2

Warm = Callable[[OpenCorpus], Awaitable[None]]


class LiveCorpus:
    """Keeps the newest usable snapshot served, and its encoder found. Lives in one event loop."""

    def __init__(
        self,
        snapshots: SnapshotDirectory,
        encoders: EncoderSource,
        see: CorpusObserver,
        *,
        open_as: Callable[[Path], Snapshot] = open_snapshot,
        warm: Warm | None = None,
        watch_seconds: float,
    ) -> None:
        """Opens nothing yet.

        Args:
            snapshots: where snapshots are.
            encoders: where encoders are found.
            see: is told what happens.
            open_as: opens a snapshot.
            warm: searches a new snapshot once before it is served.
            watch_seconds: between two looks.
        """
        self._snapshots = snapshots
        self._encoders = encoders
        self._see = see
        self._open = open_as
        self._warm = warm
        self._watch_seconds = watch_seconds
        self._served: OpenCorpus | None = None
        self._refused: tuple[str, RetrievalError] | None = None
        self._refusals = Refusals(watch_seconds)
        self._check: BackgroundCheck | None = None
        self._damaged: dict[str, SnapshotInvalid] = {}
        self._last_whole: str | None = None
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
        if self._check is not None:
            self._check.stop()
        if self._served is not None:
            self._served.retire()
            self._served = None
        await self._encoders.close()

    @property
    def current(self) -> OpenCorpus | None:
        """What is served; None before there is a usable snapshot."""
        return self._served

    @property
    def refusal(self) -> RetrievalError | None:
        """Why the snapshot that CURRENT names is not the one being served."""
        return self._refused[1] if self._refused else None

    @property
    def damage(self) -> RetrievalError | None:
        """What is wrong with the snapshot that is served all the same, as no other is here."""
        return self._damaged.get(self._served.manifest.id) if self._served else None

    @contextmanager
    def hold(self) -> Iterator[OpenCorpus]:
        """What is served, kept open as long as the block runs.

        Raises:
            NoSnapshot: nothing is, because none was built or the one there is cannot be used.
            EncoderMismatch: the one there is was made by another encoder than the one that runs.
        """
        if self._served is None:
            if isinstance(self.refusal, Unavailable):
                raise self.refusal.copy()
            if self.refusal is not None:
                raise NoSnapshot(f"{self.refusal.message} Build it again: {_BUILD_COMMAND}", self.refusal.detail)
            raise NoSnapshot(
                f"There are no papers to search yet. Index some: {_BUILD_COMMAND}", {"command": _BUILD_COMMAND}
            )
        with self._served.hold() as served:
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
        """Looks for a new snapshot, for damage in the one there is, and for an encoder that is missing or gone."""
        named = await asyncio.to_thread(self._snapshots.current)
        self._note_damage()
        wanted = self._last_whole or named if named in self._damaged else named
        served = self._served
        if wanted is not None and (served is None or served.manifest.id != wanted):
            await self._change_to(wanted)
        elif served is not None:
            self._refused = (named, self._damaged[named]) if named is not None and wanted != named else None
            await self._attend(served)
        self._see.record_damage(named in self._damaged)
        self._say_for_whom()

    def _note_damage(self) -> None:
        """Takes down what the check has found, and says it once."""
        served, check = self._served, self._check
        if served is None or check is None or check.damage is None or served.manifest.id in self._damaged:
            return
        self._damaged[served.manifest.id] = check.damage
        _log.error(
            "Snapshot %s is damaged: %s. %s. Use a whole one (akin index list, akin index use), or build it again.",
            served.manifest.id,
            check.damage,
            f"Going back to {self._last_whole}" if self._last_whole else "It is served all the same, there is no other",
        )

    def _say_for_whom(self) -> None:
        """Writes down what is waited for, when that changes; a refused snapshot was told of already."""
        served = self._served
        waits_for = ""
        if served is None and self._refused is None:
            waits_for = f"a snapshot in {self._snapshots.root}. One is made by: {_BUILD_COMMAND}"
        elif served is not None and served.encoder is None:
            waits_for = f"the encoder. {served.encoder_error}"
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
        files = await asyncio.to_thread(file_states, self._snapshots.root / named)
        if self._refusals.holds(named, files):
            if before is not None:
                await self._attend(before)
            return
        try:
            path = self._snapshots.path(named)
            digest = read_manifest(path).encoder.digest
            encoder, trouble = await self._encoder(digest, named, before.encoder if before else None)
            if before is not None and before.encoder is not None and encoder is None:
                # Triton is slow, or going: until it is known which, searches go on by the encoder that there is.
                await self._attend(before)
                return
            snapshot = await asyncio.to_thread(self._open, path)
        except (SnapshotError, EncoderMismatch) as error:
            if isinstance(error, SnapshotError):
                # Of an encoder that is another one, Triton is asked before anything is opened.
                self._refusals.note(named, files)
            self._refuse(named, error)
            if before is not None:
                await self._attend(before)
            return
        served = OpenCorpus(snapshot, encoder, trouble, self._see)
        if self._warm is not None:
            try:
                await self._warm(served)
            except BaseException:
                self._refusals.note(named, files)
                served.retire()
                raise
        self._served = served
        self._refused = None
        self._refusals.clear()
        self._see.record_snapshot(snapshot.manifest)
        _log.info("Serving snapshot %s: %d papers.", named, snapshot.manifest.papers)
        if self._check is not None:
            self._check.stop()
        self._check = BackgroundCheck(path, snapshot.manifest)
        self._check.start()
        if before is not None:
            if before.manifest.id not in self._damaged:
                self._last_whole = before.manifest.id
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
            return None, error.without_traceback()

    async def _attend(self, served: OpenCorpus) -> None:
        in_use, doubts = served.encoder, served.needs_encoder_check()
        if in_use is not None and not doubts and await self._encoders.is_ready(in_use.identity.version):
            self._misses = 0
            return
        try:
            found, trouble = await self._encoder(served.manifest.encoder.digest, served.manifest.id)
        except EncoderMismatch as error:
            found, trouble = None, error.without_traceback()
            self._misses = _MISSES_ALLOWED
        if found is not None:
            self._misses = 0
            served.set_encoder(found)
        elif in_use is None:
            served.encoder_error = trouble
        elif trouble is not None and not isinstance(trouble, EncoderBusy):
            # One late answer is not a loss: Triton is slow to say anything while it is fully busy.
            self._misses += 1
            if self._misses >= _MISSES_ALLOWED:
                served.drop_encoder(trouble)

    def _refuse(self, named: str, error: RetrievalError) -> None:
        if self._refused is None or self._refused[0] != named or self._refused[1].message != error.message:
            kept = f"; {self._served.manifest.id} stays" if self._served else ""
            _log.error("Snapshot %s is refused%s: %s", named, kept, error)
        self._refused = (named, error.without_traceback())
