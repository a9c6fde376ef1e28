"""Serve the live snapshot with its encoder, and replace it when another becomes live."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from retrieval_service.corpus.background_check import BackgroundCheck
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import read_manifest
from retrieval_service.corpus.open_corpus import CorpusObserver, OpenCorpus, input_type
from retrieval_service.corpus.refusals import RefusedSnapshots, file_states
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
from retrieval_service.ports import EmbeddingBatch, Encoder, EncoderIdentity, EncoderSource, TextRole

_log = logging.getLogger(__name__)
_BUILD_COMMAND = "akin index build sample"
_MISSES_ALLOWED = 2

Warm = Callable[[OpenCorpus], Awaitable[None]]


class LiveCorpus:
    """Keeps the newest usable snapshot open, and its encoder connected; used in one event loop."""

    def __init__(
        self,
        snapshots: SnapshotDirectory,
        encoders: EncoderSource,
        observer: CorpusObserver,
        *,
        open_as: Callable[[Path], Snapshot] = open_snapshot,
        warm: Warm | None = None,
        watch_seconds: float,
    ) -> None:
        """Take the parts; `start` opens the snapshot.

        Args:
            snapshots: The directory of snapshots.
            encoders: Finds encoders.
            observer: Records what happens.
            open_as: Opens a snapshot.
            warm: Searches a new snapshot before it is served.
            watch_seconds: Seconds between two calls of `refresh`.
        """
        self._snapshots = snapshots
        self._encoders = encoders
        self._observer = observer
        self._open = open_as
        self._warm = warm
        self._watch_seconds = watch_seconds
        self._corpus: OpenCorpus | None = None
        self._refused: tuple[str, RetrievalError] | None = None
        self._refusals = RefusedSnapshots(watch_seconds)
        self._check: BackgroundCheck | None = None
        self._damaged: dict[str, SnapshotInvalid] = {}
        self._last_whole: str | None = None
        self._misses = 0
        self._waits_for = ""
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the live snapshot, if there is one, and begin to watch for changes."""
        await self.refresh()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching and close everything."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
        if self._check is not None:
            self._check.stop()
        if self._corpus is not None:
            self._corpus.retire()
            self._corpus = None
        await self._encoders.close()

    @property
    def current(self) -> OpenCorpus | None:
        """The corpus that is served; None before there is a usable snapshot."""
        return self._corpus

    @property
    def refusal(self) -> RetrievalError | None:
        """Reason why the snapshot that CURRENT names is not served; None if it is served."""
        return self._refused[1] if self._refused else None

    @property
    def damage(self) -> RetrievalError | None:
        """Damage of the served snapshot; None if it is intact. A damaged one is served only if none is intact."""
        return self._damaged.get(self._corpus.manifest.id) if self._corpus else None

    @contextmanager
    def hold(self) -> Iterator[OpenCorpus]:
        """Yield the corpus that is served, and keep it open inside the block.

        Raises:
            NoSnapshot: No corpus is served, because no snapshot was built or the only one cannot be used.
            EncoderMismatch: Another encoder than the one that runs made the only snapshot.
        """
        if self._corpus is None:
            if isinstance(self.refusal, Unavailable):
                raise self.refusal.copy()
            if self.refusal is not None:
                raise NoSnapshot(f"{self.refusal.message} Build it again: {_BUILD_COMMAND}", self.refusal.detail)
            raise NoSnapshot(
                f"There are no papers to search yet. Index some: {_BUILD_COMMAND}", {"command": _BUILD_COMMAND}
            )
        with self._corpus.hold() as corpus:
            yield corpus

    async def embed(self, text: str, role: TextRole = "query") -> tuple[EmbeddingBatch, EncoderIdentity]:
        """Return the vector of a text by the corpus's encoder; without a corpus, by the newest encoder that is ready.

        Raises:
            Unavailable: No vector can be made now.
        """
        return await self.embed_texts([text], role)

    async def embed_texts(
        self, texts: Sequence[str], role: TextRole = "query", *, bulk: bool = False
    ) -> tuple[EmbeddingBatch, EncoderIdentity]:
        """Return the vectors of texts as `embed` does; bulk work waits while the encoder is busy."""
        if self._corpus is not None:
            return await self._corpus.embed_texts(texts, role, bulk=bulk)
        encoder = await self._encoders.find()
        embed = encoder.embed_passages if bulk else encoder.embed_queries
        return await embed(texts, input_type(role, encoder)), encoder.identity

    async def encoder_identity(self) -> EncoderIdentity:
        """Return the encoder that `embed` uses.

        Raises:
            Unavailable: There is none now.
        """
        return (self._corpus.require_encoder() if self._corpus is not None else await self._encoders.find()).identity

    async def refresh(self) -> None:
        """Open a new live snapshot, replace a damaged one by the last intact one, and reconnect to a lost encoder."""
        named = await asyncio.to_thread(self._snapshots.current)
        self._note_damage()
        wanted = self._last_whole or named if named in self._damaged else named
        corpus = self._corpus
        if wanted is not None and (corpus is None or corpus.manifest.id != wanted):
            if not await self._change_to(wanted):
                if corpus is not None:
                    await self._check_encoder(corpus)
                elif isinstance(self.refusal, SnapshotError):
                    await self._serve_another(wanted)
        elif corpus is not None:
            self._refused = (named, self._damaged[named]) if named is not None and wanted != named else None
            await self._check_encoder(corpus)
        self._observer.record_damage(named in self._damaged)
        self._log_waiting()

    def _note_damage(self) -> None:
        """Record and log damage that the background check has found, once for each snapshot."""
        corpus, check = self._corpus, self._check
        if corpus is None or check is None or check.damage is None or corpus.manifest.id in self._damaged:
            return
        self._damaged[corpus.manifest.id] = check.damage
        _log.error(
            "Snapshot %s is damaged: %s. %s. Use an intact one (akin index list, akin index use), or build it again.",
            corpus.manifest.id,
            check.damage,
            f"Going back to {self._last_whole}" if self._last_whole else "It stays in use, as there is no other",
        )

    def _log_waiting(self) -> None:
        """Log what the service waits for, once per change. A refused snapshot was logged before."""
        corpus = self._corpus
        waits_for = ""
        if corpus is None and self._refused is None:
            waits_for = f"a snapshot in {self._snapshots.root}. Make one with: {_BUILD_COMMAND}"
        elif corpus is not None and corpus.encoder is None:
            waits_for = f"the encoder. {corpus.encoder_error}"
        if waits_for and waits_for != self._waits_for:
            _log.warning("Waiting for %s", waits_for)
        self._waits_for = waits_for

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._watch_seconds)
            try:
                await self.refresh()
            except OSError as error:
                _log.warning("The snapshots cannot be read and are tried again in a moment: %s", error)
            except Exception:
                # A bug in `refresh` must be visible in the log, and must not end the watching for good.
                _log.exception("The check for a new snapshot failed.")

    async def _change_to(self, named: str) -> bool:
        """Serve another snapshot; return False if it cannot be served now; then the previous one stays in use."""
        before = self._corpus
        files = await asyncio.to_thread(file_states, self._snapshots.root / named)
        if self._refusals.is_refused(named, files):
            return False
        try:
            path = self._snapshots.path(named)
            digest = read_manifest(path).encoder.digest
            encoder, encoder_error = await self._find_encoder(digest, named, before.encoder if before else None)
            if before is not None and before.encoder is not None and encoder is None:
                # Triton may be slow or stopping: keep the present encoder until the next check.
                return False
            snapshot = await asyncio.to_thread(self._open, path)
        except (SnapshotError, EncoderMismatch) as error:
            if isinstance(error, SnapshotError):
                # A wrong encoder needs no pause: the manifest shows it before any index is opened.
                self._refusals.record(named, files)
            self._refuse(named, error)
            return False
        corpus = OpenCorpus(snapshot, encoder, encoder_error, self._observer)
        if self._warm is not None:
            try:
                await self._warm(corpus)
            except BaseException:
                self._refusals.record(named, files)
                corpus.retire()
                raise
        self._corpus = corpus
        self._refused = None
        self._refusals.clear(named)
        self._observer.record_snapshot(snapshot.manifest)
        _log.info("Serving snapshot %s: %d papers.", named, snapshot.manifest.papers)
        if self._check is not None:
            self._check.stop()
        self._check = BackgroundCheck(path, snapshot.manifest)
        self._check.start()
        if before is not None:
            if before.manifest.id not in self._damaged:
                self._last_whole = before.manifest.id
            before.retire()
        return True

    async def _serve_another(self, refused: str) -> None:
        """Serve the newest other snapshot that is whole, at a start with a live one that cannot be opened."""
        refusal = self._refused
        for manifest in await asyncio.to_thread(self._snapshots.manifests):
            if manifest.id != refused and not manifest.partial and await self._change_to(manifest.id):
                _log.warning("Snapshot %s is served in place of %s.", manifest.id, refused)
                break
        self._refused = refusal

    async def _find_encoder(
        self, digest: str, named: str, in_use: Encoder | None = None
    ) -> tuple[Encoder | None, Unavailable | None]:
        """Return the encoder of a digest, or None and the reason why it cannot be reached now."""
        if in_use is not None and in_use.identity.digest == digest:
            return in_use, None
        try:
            return await self._encoders.find(digest), None
        except EncoderMismatch as error:
            raise EncoderMismatch(
                f"Snapshot {named} was made by encoder {digest[:12]}. {error.message} Promote the encoder that made it "
                "(akin encoder list, akin encoder promote), or build the index again (akin index build).",
                error.detail,
            ) from error
        except EncoderUnavailable as error:
            # It is unknown which encoder Triton will serve when it is back; lexical search needs none until then.
            return None, error.without_traceback()

    async def _check_encoder(self, corpus: OpenCorpus) -> None:
        """Check that a corpus's encoder is ready; reconnect if it is not, and drop it after repeated failures."""
        in_use, suspect = corpus.encoder, corpus.needs_encoder_check()
        if in_use is not None and not suspect and await self._encoders.is_ready(in_use.identity.version):
            self._misses = 0
            return
        try:
            found, encoder_error = await self._find_encoder(corpus.manifest.encoder.digest, corpus.manifest.id)
        except EncoderMismatch as error:
            found, encoder_error = None, error.without_traceback()
            self._misses = _MISSES_ALLOWED
        if found is not None:
            self._misses = 0
            corpus.set_encoder(found)
        elif in_use is None:
            corpus.encoder_error = encoder_error
        elif encoder_error is not None and not isinstance(encoder_error, EncoderBusy):
            # One late answer is no loss: a fully busy Triton is slow to answer anything.
            self._misses += 1
            if self._misses >= _MISSES_ALLOWED:
                corpus.drop_encoder(encoder_error)

    def _refuse(self, named: str, error: RetrievalError) -> None:
        if self._refused is None or self._refused[0] != named or self._refused[1].message != error.message:
            kept = f"; snapshot {self._corpus.manifest.id} stays in use" if self._corpus else ""
            _log.error("Snapshot %s is refused%s: %s", named, kept, error)
        self._refused = (named, error.without_traceback())
