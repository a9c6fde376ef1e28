"""The encoder behind Triton's model `text_encoder`, over gRPC or HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import monotonic

import msgspec
import numpy as np

from retrieval_service.adapters.triton_wire import (
    BULK,
    ENCODER_MODEL,
    PASSAGE,
    QUERY,
    GrpcWire,
    HttpWire,
    Purpose,
    Reply,
    Wire,
)
from retrieval_service.deadline import check_deadline, seconds_left
from retrieval_service.errors import (
    DeadlineExceeded,
    EncoderBusy,
    EncoderMismatch,
    EncoderRefused,
    EncoderUnavailable,
)
from retrieval_service.ports import EmbeddingBatch, EncoderIdentity, InputType

_CANARY = "papers akin to yours"
_MOST_TEXTS = 64
# Seconds. Triton's answer to a request that it drops at its deadline may arrive this long before the deadline.
_ALMOST = 0.01
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class TritonConnection:
    """A connection to Triton that finds encoders; made and used inside one event loop."""

    def __init__(
        self,
        url: str,
        *,
        version: int | None = None,
        repository: Path | None = None,
        query_seconds: float = 2.0,
        bulk_seconds: float = 600.0,
    ) -> None:
        """Take the settings; the first call connects.

        Args:
            url: `grpc://host:port` or `http://host:port`.
            version: The only version to use; None for any that is ready.
            repository: The model repository, where it can be read from here; it has what Triton does not tell, such as
                `max_length`.
            query_seconds: The longest wait for the vectors of queries.
            bulk_seconds: The longest wait for a batch of passages, including all retries.
        """
        scheme, _, address = url.rstrip("/").partition("://")
        self.url = url
        self.query_seconds = query_seconds
        self.bulk_seconds = bulk_seconds
        self.wire: Wire = GrpcWire(address) if scheme == "grpc" else HttpWire(address)
        self._version = version
        self._repository = repository

    async def find(self, digest: str | None = None) -> TritonEncoder:
        """Return the ready encoder of a digest; without one, the highest version that is ready.

        Raises:
            EncoderUnavailable: Triton cannot be reached, or has no version of the model ready.
            EncoderMismatch: Encoders are ready, and none has that digest.
        """
        ready = await self.wire.ready_versions(self.query_seconds)
        if self._version is not None:
            if self._version not in ready:
                raise EncoderUnavailable(
                    f"Triton at {self.url} has no version {self._version} of {ENCODER_MODEL} ready.",
                    {"ready": sorted(ready)},
                )
            ready = [self._version]
        if not ready:
            raise EncoderUnavailable(f"Triton at {self.url} has no version of {ENCODER_MODEL} ready.")
        served: list[EncoderIdentity] = []
        for version in sorted(ready, reverse=True):
            identity = await self._identify(version)
            if digest in (None, identity.digest):
                return TritonEncoder(self, identity)
            served.append(identity)
        raise EncoderMismatch(
            f"Triton serves encoder {' and '.join(f'{i.digest[:12]} (version {i.version})' for i in served)}, "
            f"not {str(digest)[:12]}.",
            {"wanted": digest, "served": {str(i.version): i.digest for i in served}},
        )

    async def is_ready(self, version: int) -> bool:
        """Return True if Triton answers within a second that a version is ready."""
        try:
            return version in await self.wire.ready_versions(min(1.0, self.query_seconds))
        except EncoderUnavailable:
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self.wire.close()

    async def _identify(self, version: int) -> EncoderIdentity:
        reply = await self.wire.infer([_CANARY], version, self.query_seconds)
        found = EncoderIdentity(
            version,
            reply.digest,
            reply.vectors.shape[1],
            device=await self.wire.device(version, self.query_seconds),
        )
        recipe = _recipe(self._repository, found) if self._repository else None
        return replace(found, **msgspec.structs.asdict(recipe)) if recipe else found


class TritonEncoder:
    """One version of the encoder, as an `Encoder`."""

    def __init__(self, triton: TritonConnection, identity: EncoderIdentity) -> None:
        """Take the connection and the version; `TritonConnection.find` calls this."""
        self._triton = triton
        self.identity = identity

    async def embed_queries(self, texts: Sequence[str], input_type: InputType = "query") -> EmbeddingBatch:
        """Return the vectors of texts that someone waits for; Triton gets no more time than is left until the deadline.

        Raises:
            DeadlineExceeded: The deadline has passed.
            EncoderUnavailable: Triton cannot be reached, is too slow or busy, or refuses the text.
            EncoderMismatch: Another encoder answers under this version now.
        """
        check_deadline()
        try:
            return await self._embed(texts, min(self._triton.query_seconds, seconds_left()), QUERY, input_type)
        except EncoderUnavailable as error:
            if seconds_left() < _ALMOST:
                raise DeadlineExceeded from error
            raise

    async def embed_passages(self, texts: Sequence[str], input_type: InputType = "passage") -> EmbeddingBatch:
        """Return the vectors of many texts; repeat the request while Triton is busy or restarting.

        Raises:
            EncoderUnavailable: The last repetition failed, or Triton refuses a text.
            EncoderMismatch: Another encoder answers under this version now.
        """
        deadline = monotonic() + self._triton.bulk_seconds
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._embed(texts, max(0.1, deadline - monotonic()), BULK, input_type)
            except EncoderRefused:
                raise
            except EncoderUnavailable as error:
                # A full queue has space after a batch or two; a restart takes seconds.
                pause = min(pause * (1.5 if isinstance(error, EncoderBusy) else 2), _LONGEST_PAUSE)
                if monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)

    async def _embed(
        self, texts: Sequence[str], seconds: float, purpose: Purpose, input_type: InputType
    ) -> EmbeddingBatch:
        if input_type == "passage":
            purpose = purpose | PASSAGE
        parts = [
            await self._one(texts[at : at + _MOST_TEXTS], seconds, purpose) for at in range(0, len(texts), _MOST_TEXTS)
        ]
        if not parts:
            return EmbeddingBatch(np.empty((0, self.identity.dim), np.float32), np.empty(0, np.int32))
        return EmbeddingBatch(
            np.concatenate([part.vectors for part in parts]), np.concatenate([p.tokens for p in parts])
        )

    async def _one(self, texts: Sequence[str], seconds: float, purpose: Purpose) -> Reply:
        reply = await self._triton.wire.infer(texts, self.identity.version, seconds, purpose)
        if reply.digest != self.identity.digest:
            raise EncoderMismatch(
                f"Version {self.identity.version} of {ENCODER_MODEL} was encoder {self.identity.digest[:12]} and is "
                f"now {reply.digest[:12]}.",
                {"wanted": self.identity.digest, "served": {str(self.identity.version): reply.digest}},
            )
        if reply.vectors.shape != (len(texts), self.identity.dim) or not np.isfinite(reply.vectors).all():
            raise EncoderRefused(f"Triton's vectors are not {len(texts)} x {self.identity.dim} finite numbers.")
        return reply


class _Recipe(msgspec.Struct):
    digest: str
    max_length: int
    abstract_as: InputType = "query"
    name: str = ENCODER_MODEL
    created: datetime | None = None
    dimensions: tuple[int, ...] = ()


def _recipe(repository: Path, encoder: EncoderIdentity) -> _Recipe | None:
    """Return what a version's manifest says of its use; None if it is missing or of another encoder."""
    try:
        recipe = msgspec.json.decode(
            (repository / ENCODER_MODEL / str(encoder.version) / "manifest.json").read_bytes(), type=_Recipe
        )
    except (OSError, msgspec.DecodeError):
        return None
    return recipe if recipe.digest == encoder.digest else None
