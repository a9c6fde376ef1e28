"""A snapshot that is served, with the encoder that belongs to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from retrieval_service.corpus.manifest import Manifest
from retrieval_service.corpus.snapshot import Snapshot
from retrieval_service.errors import EncoderBusy, EncoderMismatch, EncoderRefused, EncoderUnavailable, Unavailable
from retrieval_service.ports import EmbeddingBatch, Encoder, EncoderIdentity, InputType, TextRole, Vectors
from retrieval_service.search.many_texts import FEW_TEXTS

_log = logging.getLogger(__name__)


class CorpusObserver(Protocol):
    """Records changes of the served corpus."""

    def record_snapshot(self, manifest: Manifest) -> None:
        """Record that another snapshot is live."""

    def record_damage(self, damaged: bool) -> None:
        """Record whether files of the live snapshot differ from their published state."""

    def record_encoder_failure(self, error: Unavailable) -> None:
        """Record a failure of the encoder, in a query or in a check."""

    def record_encoder_loss(self) -> None:
        """Record that the encoder stopped answering and is looked for again."""


class OpenCorpus:
    """A snapshot with its encoder. Requests hold it while they use it; once retired, the last of them closes it.

    Attributes:
        manifest: The snapshot's manifest.
        vectors: The vector index.
        lexical: The lexical index.
        catalogue: The papers.
        covered: The rows that have a vector; None if all have one.
        references: Who cites whom; None if no references were imported.
        encoder: The encoder that made its vectors; None while it is not ready.
        encoder_error: Why the encoder is not ready; None if it is ready, or if the reason is unknown.
        corpus_answer: The encoded answer of `GET /corpus`, kept once it was made.
    """

    def __init__(
        self, snapshot: Snapshot, encoder: Encoder | None, encoder_error: Unavailable | None, observer: CorpusObserver
    ) -> None:
        """Take over the snapshot."""
        self.manifest = snapshot.manifest
        self.vectors, self.lexical, self.catalogue = snapshot.vectors, snapshot.lexical, snapshot.catalogue
        self.covered, self.references = snapshot.covered, snapshot.references
        self.encoder = encoder
        self.encoder_error = encoder_error
        self.corpus_answer: bytes | None = None
        self._snapshot = snapshot
        self._observer = observer
        self._failed = self._answered = False
        self._holders = 0
        self._retired = False

    async def embed(self, text: str, role: TextRole = "query") -> tuple[EmbeddingBatch, EncoderIdentity]:
        """Return the vector of a text of a request, and the encoder that made it.

        Raises:
            Unavailable: No vector can be made now. After the encoder was dropped, no query reaches it until
                `LiveCorpus` has found it again.
        """
        return await self.embed_texts([text], role)

    async def embed_texts(
        self, texts: Sequence[str], role: TextRole = "query", *, bulk: bool = False
    ) -> tuple[EmbeddingBatch, EncoderIdentity]:
        """Return the vectors of texts as `embed` does; bulk work waits while the encoder is busy."""
        encoder = self.require_encoder()
        embed = encoder.embed_passages if bulk else encoder.embed_queries
        try:
            embedded = await embed(texts, input_type(role, encoder))
        except EncoderMismatch as error:
            self.drop_encoder(error.copy())
            raise
        except EncoderUnavailable as error:
            # One late or failed query does not prove that the encoder is lost: `LiveCorpus` checks it.
            self._failed = self._failed or not isinstance(error, (EncoderBusy, EncoderRefused))
            self._observer.record_encoder_failure(error)
            raise
        self._answered = True
        return embedded, encoder.identity

    async def embed_papers(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of papers' texts, made by the same encoder in as few calls as it takes.

        Raises:
            Unavailable: No vectors can be made now.
        """
        embedded, _ = await self.embed_texts(texts, "passage", bulk=len(texts) > FEW_TEXTS)
        return embedded.vectors

    async def embed_sentences(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of sentences of papers, made by the same encoder in one batch.

        Raises:
            Unavailable: No vectors can be made now.
        """
        embedded, _ = await self.embed_texts(texts, "passage")
        return embedded.vectors

    def require_encoder(self) -> Encoder:
        """Return the encoder; raise Unavailable while it is not ready."""
        if self.encoder is None:
            raise self.encoder_error.copy() if self.encoder_error else EncoderUnavailable("The encoder is not ready.")
        return self.encoder

    def needs_encoder_check(self) -> bool:
        """Return True if at least one query failed and none succeeded since the previous call.

        The result stays True in the next calls until a query succeeds.
        """
        self._failed, self._answered = self._failed and not self._answered, False
        return self._failed

    def set_encoder(self, encoder: Encoder) -> None:
        """Use an encoder that has just answered."""
        if self.encoder is None:
            _log.info("The encoder is ready again: version %d.", encoder.identity.version)
        self.encoder, self.encoder_error, self._failed = encoder, None, False

    def drop_encoder(self, error: Unavailable) -> None:
        """Continue without the encoder until it is found again."""
        if self.encoder is not None:
            _log.warning("The encoder is lost; searches are lexical until it is found again: %s", error)
            self._observer.record_encoder_loss()
        self.encoder, self.encoder_error = None, error
        self._observer.record_encoder_failure(error)

    @contextmanager
    def hold(self) -> Iterator[OpenCorpus]:
        """Keep the corpus open inside the block."""
        self._holders += 1
        try:
            yield self
        finally:
            self._holders -= 1
            self._close_if_unused()

    def retire(self) -> None:
        """Close the corpus as soon as no request holds it."""
        self._retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._retired and not self._holders:
            self._snapshot.close()


def input_type(role: TextRole, encoder: Encoder) -> InputType:
    """Return the input type that a text of a role has for an encoder."""
    return encoder.identity.abstract_as if role == "abstract" else role
