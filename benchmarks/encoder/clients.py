"""Send texts to a server from clients in a closed loop: each sends its next request when the last is answered."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Session(Protocol):
    """An open connection to an embedding server."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of the texts of one request."""

    async def close(self) -> None:
        """Close the connection."""


@dataclass
class ClientLoad:
    """Measurements of the clients.

    Attributes:
        texts: The number of texts.
        seconds: From the first request to the last answer.
        cpu: Seconds of CPU that the clients used.
        times: Seconds that each request took.
        parts: The vectors of each request, by the position of its first text; empty unless they are kept.
    """

    texts: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    times: list[float] = field(default_factory=list)
    parts: dict[int, Vectors] = field(default_factory=dict)

    def vectors(self) -> Vectors:
        """Return all vectors, in the order of their texts."""
        return np.vstack([self.parts[start] for start in sorted(self.parts)])


def drive(
    connect: Callable[[], Session], texts: Sequence[str], clients: int, size: int, *, keep: bool = False
) -> ClientLoad:
    """Send texts, `size` in a request, from `clients` at once; the connections are open before the clock starts."""
    return asyncio.run(_drive(connect, texts, clients, size, keep))


async def _drive(
    connect: Callable[[], Session], texts: Sequence[str], clients: int, size: int, keep: bool
) -> ClientLoad:
    load = ClientLoad(len(texts))
    session = connect()
    starts = iter(range(0, len(texts), size))

    async def client() -> None:
        for start in starts:
            begun = time.perf_counter()
            vectors = await session.embed(texts[start : start + size])
            load.times.append(time.perf_counter() - begun)
            if keep:
                load.parts[start] = vectors

    try:
        await session.embed(["a connection is opened by its first request"])
        cpu, begun = time.process_time(), time.perf_counter()
        await asyncio.gather(*[client() for _ in range(clients)])
        load.seconds, load.cpu = time.perf_counter() - begun, time.process_time() - cpu
    finally:
        await session.close()
    return load


def embedding_client(protocol: str, address: str, model: str) -> Callable[[], Session]:
    """Return a function that connects: by `grpc` or `http` to Triton (model `name/version`), or by `openai`'s API."""
    sessions: dict[str, Callable[[str, str], Session]] = {"grpc": Grpc, "http": Http, "openai": OpenAi}
    return lambda: sessions[protocol](address, model)


class _Triton:
    """Triton's own asynchronous client; its two protocols differ in the module only."""

    def __init__(self, module: Any, address: str, model: str, **options: Any) -> None:
        self._module = module
        self._client = module.InferenceServerClient(address, **options)
        self._model, _, self._version = model.partition("/")

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Request the vectors only."""
        tensor = self._module.InferInput("TEXT", [len(texts), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], dtype=object))
        outputs = [self._module.InferRequestedOutput("EMBEDDING")]
        result = await self._client.infer(self._model, [tensor], model_version=self._version, outputs=outputs)
        vectors: Vectors = result.as_numpy("EMBEDDING")
        return vectors

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class Grpc(_Triton):
    """Triton over gRPC."""

    def __init__(self, address: str, model: str) -> None:
        """Open a channel that takes messages of any size and uses no proxy."""
        import tritonclient.grpc.aio as module

        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.enable_http_proxy", 0),
        ]
        super().__init__(module, address, model, channel_args=options)


class Http(_Triton):
    """Triton over HTTP, with binary tensors."""

    def __init__(self, address: str, model: str) -> None:
        """Allow as many connections as there are clients."""
        import tritonclient.http.aio as module

        super().__init__(module, address, model, conn_limit=128)


class OpenAi:
    """Server with OpenAI's embedding API; vectors come as base64."""

    def __init__(self, address: str, model: str) -> None:
        """Allow as many connections as there are clients."""
        import aiohttp

        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=128))
        self._url, self._model = f"{address}/embeddings", model

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """Send one request."""
        body = {"model": self._model, "input": list(texts), "encoding_format": "base64"}
        async with self._session.post(self._url, json=body) as answer:
            answer.raise_for_status()
            rows = (await answer.json())["data"]
        return np.vstack([np.frombuffer(base64.b64decode(row["embedding"]), np.float32) for row in rows])

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
