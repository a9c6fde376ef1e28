"""Send texts to the encoder over either of Triton's protocols, and translate its errors."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from akin.edge import tracing
from retrieval_service.errors import EncoderBusy, EncoderRefused, EncoderUnavailable
from retrieval_service.ports import Vectors

ENCODER_MODEL = "text_encoder"
RERANKER_MODEL = "reranker"
_OUTPUTS = ("EMBEDDING", "TOKENS", "ENCODER")
Purpose = dict[str, bool | str]
"""Parameters of a request to the encoder, which answers queries before bulk work."""

QUERY: Purpose = {}
BULK: Purpose = {"bulk": True}
PASSAGE: Purpose = {"input_type": "passage"}
"""Added to one of the others; without it, the encoder takes texts as queries."""
# Parts of the messages with which Triton, and the model's own queue (`bulk.py` of `text_encoder`), refuse work.
_BUSY = ("maximum queue size", "the encoder is busy", "Request timeout expired", "as long as its client waits")
_REFUSALS = ("StatusCode.INVALID_ARGUMENT", "400", "413")

# The model that runs the encoder's graph on a GPU (`akin encoder gpu`), in the same version.
_ON_GPU = "encoder"

# By default gRPC waits up to two minutes between two attempts to connect; a restarted Triton must be found within a
# second. Keep-alive pings detect a Triton that hangs, or a machine that vanished: calls in progress fail within 20
# seconds, and the next ones connect again. `akin/stack/tritonserver.py` makes Triton accept these pings. Both kinds of
# ping need a timeout: gRPC sends no keep-alive ping while one that measures the bandwidth is unanswered. These
# arguments replace tritonclient's own, so the message lengths, which tritonclient would set, are here too.
_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]


class Reply(NamedTuple):
    """The model's answer for a batch: vectors float32 [n, dim], token counts int32 [n], the encoder's digest."""

    vectors: Vectors
    tokens: NDArray[np.int32]
    digest: str


class Wire(ABC):
    """Client of one of Triton's protocols; a protocol defines how a call is sent and its failures translated."""

    def __init__(self, address: str, module: Any, **options: Any) -> None:
        """Take `host:port` and tritonclient's module of the protocol; the first call connects."""
        self._address = address
        self._module = module
        self._options = options
        self._open_client: Any = None

    @property
    def _client(self) -> Any:
        # A connection belongs to the event loop it was made in.
        if self._open_client is None:
            self._open_client = self._module.InferenceServerClient(self._address, **self._options)
        return self._open_client

    @abstractmethod
    async def _call(self, method: str, seconds: float, *arguments: Any, **options: Any) -> Any:
        """Return what a method of the client returns; raise EncoderUnavailable if it fails or is not timely."""

    async def ready_versions(self, seconds: float) -> list[int]:
        """Return the versions of the model that are ready; raise EncoderUnavailable without a timely answer."""
        metadata = await self._call("get_model_metadata", seconds, ENCODER_MODEL)
        return [int(version) for version in (metadata["versions"] if isinstance(metadata, dict) else metadata.versions)]

    async def device(self, version: int, seconds: float) -> str | None:
        """Return the device of the model, "gpu" or "cpu"; None if Triton does not report it."""
        try:
            # The model's configuration has the device too, but reading that needs a key.
            return "gpu" if await self._call("is_model_ready", seconds, _ON_GPU, str(version)) else "cpu"
        except EncoderUnavailable:
            return None

    async def infer(self, texts: Sequence[str], version: int, seconds: float, purpose: Purpose = QUERY) -> Reply:
        """Run the model on 1 to 64 texts; Triton drops a request that waits for `seconds` in its queue.

        Raises:
            EncoderUnavailable: There is no timely answer, or it lacks a part.
        """
        tensor = self._module.InferInput("TEXT", [len(texts), 1], "BYTES")
        tensor.set_data_from_numpy(_column(texts))
        result = await self._call(
            "infer",
            seconds,
            ENCODER_MODEL,
            [tensor],
            model_version=str(version),
            outputs=[self._module.InferRequestedOutput(name) for name in _OUTPUTS],
            parameters=purpose,
            headers=tracing.headers() or None,
            # With 0 Triton would use its own default.
            timeout=max(1, int(seconds * 1e6)),
        )
        return _reply(result)

    async def has_reranker(self, seconds: float) -> bool:
        """Return True if Triton answers that the reranker is ready."""
        try:
            return bool(await self._call("is_model_ready", seconds, RERANKER_MODEL))
        except EncoderUnavailable:
            return False

    async def score(self, query: str, passages: Sequence[str], seconds: float) -> NDArray[np.float32]:
        """Run the reranker on a query with 1 to 64 passages, and return the score of each.

        Raises:
            EncoderUnavailable: There is no timely answer, or it is not one finite score for each passage.
        """
        inputs = []
        for name, texts in (("QUERY", [query] * len(passages)), ("TEXT", passages)):
            tensor = self._module.InferInput(name, [len(passages), 1], "BYTES")
            tensor.set_data_from_numpy(_column(texts))
            inputs.append(tensor)
        result = await self._call(
            "infer",
            seconds,
            RERANKER_MODEL,
            inputs,
            outputs=[self._module.InferRequestedOutput("SCORE")],
            headers=tracing.headers() or None,
        )
        scores = result.as_numpy("SCORE")
        if scores is None or scores.shape != (len(passages), 1) or not np.isfinite(scores).all():
            raise EncoderRefused(f"The model {RERANKER_MODEL} did not give {len(passages)} finite scores.")
        return np.asarray(scores, np.float32).reshape(-1)

    async def close(self) -> None:
        """Close the connections."""
        if self._open_client is not None:
            await self._open_client.close()
            self._open_client = None


class GrpcWire(Wire):
    """Triton over gRPC."""

    def __init__(self, address: str) -> None:
        """Take `host:port`; the first call connects."""
        # Imported here because each client loads many modules, and a process uses only one of them.
        import tritonclient.grpc.aio as client

        super().__init__(address, client, channel_args=_CHANNEL)

    async def _call(self, method: str, seconds: float, *arguments: Any, **options: Any) -> Any:
        try:
            return await getattr(self._client, method)(*arguments, client_timeout=seconds, **options)
        except InferenceServerException as error:
            raise _translate(error, self._address, seconds, arguments) from error


class HttpWire(Wire):
    """Triton over HTTP."""

    def __init__(self, address: str) -> None:
        """Take `host:port`; the first call connects."""
        import aiohttp
        import tritonclient.http.aio as client

        super().__init__(address, client)
        self._lost = (aiohttp.ClientError, OSError)

    async def _call(self, method: str, seconds: float, *arguments: Any, **options: Any) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await getattr(self._client, method)(*arguments, **options)
        except InferenceServerException as error:
            raise _translate(error, self._address, seconds, arguments) from error
        except TimeoutError as error:
            raise EncoderUnavailable(f"Triton at {self._address} did not answer within {seconds:g} s.") from error
        except self._lost as error:
            raise EncoderUnavailable(f"Triton does not answer at {self._address}: {error}.") from error


def _column(texts: Sequence[str]) -> NDArray[np.object_]:
    column = np.empty((len(texts), 1), np.object_)
    column[:, 0] = [text.encode("utf-8", "replace") for text in texts]
    return column


def _reply(result: Any) -> Reply:
    vectors, tokens, digests = (result.as_numpy(name) for name in _OUTPUTS)
    if vectors is None or tokens is None or digests is None or vectors.ndim != 2 or not len(digests):
        raise EncoderRefused(f"The model {ENCODER_MODEL} lacks outputs; it must have {', '.join(_OUTPUTS)}.")
    digest = digests.reshape(-1)[0]
    return Reply(
        np.ascontiguousarray(vectors, np.float32),
        tokens.reshape(-1).astype(np.int32),
        # Bytes in a tensor; a string where a proxy has converted the tensor to JSON.
        digest.decode() if isinstance(digest, bytes) else str(digest),
    )


def _translate(
    error: InferenceServerException, address: str, seconds: float, arguments: Sequence[Any]
) -> EncoderUnavailable:
    model, work = ("reranker", "rerank") if arguments[:1] == (RERANKER_MODEL,) else ("encoder", "embed")
    status, text = str(error.status()), error.message()
    if any(words in text for words in _BUSY):
        return EncoderBusy(f"The {model} has more requests than it can answer; repeat the request in a moment.")
    if status == "StatusCode.DEADLINE_EXCEEDED":
        return EncoderUnavailable(f"Triton at {address} did not answer within {seconds:g} s.")
    if status in _REFUSALS and "unknown model" not in text and "not found" not in text:
        return EncoderRefused(f"The {model} did not accept the text: {text}")
    return EncoderUnavailable(f"Triton at {address} cannot {work} now: {text}")
