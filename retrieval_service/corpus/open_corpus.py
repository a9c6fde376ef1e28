"""A snapshot while it is served, with the encoder that belongs to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from retrieval_service.corpus.manifest import Manifest
from retrieval_service.corpus.snapshot import Snapshot
from retrieval_service.errors import EncoderBusy, EncoderMismatch, EncoderRefused, EncoderUnavailable, Unavailable
from retrieval_service.ports import Catalogue, Embedded, Encoder, EncoderIdentity, LexicalIndex, VectorIndex

_log = logging.getLogger(__name__)


class CorpusObserver(Protocol):
    """Is told what happens to what is served."""

    def record_snapshot(self, manifest: Manifest) -> None:
        """Another snapshot is live."""

    def record_damage(self, is_so: bool) -> None:
        """Whether files of the live snapshot are not as they were published."""

    def record_encoder_failure(self, error: Unavailable) -> None:
        """The encoder gave no vector."""


class OpenCorpus:
    """A snapshot with its encoder. Whoever uses it holds it, and it is closed when the last one let go.

    Attributes:
        manifest: what the snapshot is.
        encoder: made its vectors and is ready; None while that is not so.
        trouble: why there is no encoder.
        corpus_answer: the answer that describes the corpus, kept once it was made.
    """

    def __init__(
        self, snapshot: Snapshot, encoder: Encoder | None, trouble: Unavailable | None, see: CorpusObserver
    ) -> None:
        """Takes over the snapshot."""
        self.manifest = snapshot.manifest
        self.encoder = encoder
        self.encoder_error = trouble
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
            raise self.encoder_error.copy() if self.encoder_error else EncoderUnavailable("The encoder is not ready.")
        try:
            embedded = await encoder.embed_queries([text])
        except EncoderMismatch as error:
            self.drop_encoder(error.copy())
            raise
        except EncoderUnavailable as error:
            # One query that is late, or that fails by itself, takes the encoder from nobody else: the watch finds out.
            self._failed = self._failed or not isinstance(error, (EncoderBusy, EncoderRefused))
            self._see.record_encoder_failure(error)
            raise
        self._answered = True
        return embedded, encoder.identity

    def needs_encoder_check(self) -> bool:
        """Whether queries failed and none was answered, neither since then nor since this was last asked."""
        self._failed, self._answered = self._failed and not self._answered, False
        return self._failed

    def set_encoder(self, encoder: Encoder) -> None:
        """Goes on with an encoder that was just seen to answer."""
        if self.encoder is None:
            _log.info("The encoder is found: version %d.", encoder.identity.version)
        self.encoder, self.encoder_error, self._failed = encoder, None, False

    def drop_encoder(self, error: Unavailable) -> None:
        """Goes on without the encoder until it is found again."""
        if self.encoder is not None:
            _log.warning("The encoder is lost: %s", error)
        self.encoder, self.encoder_error = None, error
        self._see.record_encoder_failure(error)

    @contextmanager
    def hold(self) -> Iterator[OpenCorpus]:
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
