"""Systems under measurement: engines in processes of their own, and servers on loopback."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Protocol

import numpy as np

from akin.registry.versions import MODEL, promoted_version
from akin.stack.processes import Child, free_ports, start, stop, wait_until
from akin.stack.triton import start_triton
from akin.stack_settings import Settings
from benchmarks.encoder.clients import Vectors, drive, embedding_client
from benchmarks.environment import INFINITY, PEERS, peer_environment
from benchmarks.processes import Message, Worker, cpu_seconds, resident, tree

_LOAD_SECONDS = 180.0
_BULK_CLIENTS = 4


@dataclass
class CellResult:
    """Measurements of one cell in one round.

    Attributes:
        texts: The number of texts that were encoded.
        seconds: The time that they took.
        cpu: Seconds of CPU that the system used, without its client.
        client_cpu: Seconds of CPU that the client used; 0 if there is none.
        times: Seconds that each request took.
    """

    texts: int
    seconds: float
    cpu: float
    client_cpu: float = 0.0
    times: list[float] = field(default_factory=list)


class EmbeddingSystem(Protocol):
    """System that turns texts into vectors.

    Attributes:
        name: The name in the results.
        served: True if clients reach it over the network.
    """

    name: str
    served: bool

    def together(self, texts: Sequence[str], batch: int) -> CellResult:
        """Encode the texts as bulk work, `batch` at a time; a server gets four such requests at once."""

    def each(self, texts: Sequence[str], clients: int = 1) -> CellResult:
        """Encode single texts; each client waits for its answer before it sends the next text."""

    def vectors(self, texts: Sequence[str], batch: int) -> Vectors:
        """Return the vectors, `batch` texts in a request, one request after another."""

    def resident(self) -> int:
        """Return the bytes of memory that the system has now."""

    def close(self) -> None:
        """End the system's process."""


class EngineProcess:
    """Engine in a worker's process."""

    served = False

    def __init__(self, name: str, engine: str, python: Path, folder: Path, logs: Path) -> None:
        """Start the process; `await_ready` waits until it can encode."""
        self.name = name
        self.versions: dict[str, str] = {}
        self._kept = logs / f"{engine}.npy"
        command: list[str | Path] = [python, "-m", "benchmarks.encoder.worker", engine, folder]
        environment = {**peer_environment(), "HF_HUB_CACHE": str(logs / "hub")}
        self._worker = Worker(name, command, environment, logs / f"{engine}.log")

    def await_ready(self) -> None:
        """Wait until the engine has encoded its first text."""
        self.versions = self._worker.await_ready()["versions"]

    def together(self, texts: Sequence[str], batch: int) -> CellResult:
        """Encode all texts in one call."""
        return self._measure({"do": "together", "texts": list(texts), "batch": batch})

    def each(self, texts: Sequence[str], clients: int = 1) -> CellResult:
        """Encode one text after another, each in a call of its own: a library does not gather calls."""
        return self._measure({"do": "each", "texts": list(texts)})

    def vectors(self, texts: Sequence[str], batch: int) -> Vectors:
        """Return the vectors, which the worker leaves in a file."""
        do = "each" if batch == 1 else "together"
        self._worker.ask({"do": do, "texts": list(texts), "batch": batch, "keep": str(self._kept)})
        found: Vectors = np.load(self._kept)
        self._kept.unlink()
        return found

    def resident(self) -> int:
        """Return the bytes of memory of the one process."""
        return resident([self._worker.pid])

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _measure(self, order: Message) -> CellResult:
        answer = self._worker.ask(order)
        return CellResult(len(order["texts"]), answer["seconds"], answer["cpu"], 0.0, answer["times"])


class EmbeddingServer:
    """Server on loopback, with clients in this process."""

    served = True

    def __init__(
        self, name: str, protocol: str, address: str, model: str, child: Child, *, owner: bool = True, key: str = ""
    ) -> None:
        """Use a running server; `close` stops it if this is its owner. `key` is that of our Triton's statistics."""
        self.name = name
        self.child = child
        self.address = address
        self.key = key
        self._client = embedding_client(protocol, address, model)
        self._owner = owner

    def together(self, texts: Sequence[str], batch: int) -> CellResult:
        """Send four requests of `batch` texts at a time."""
        return self._measure(texts, _BULK_CLIENTS, batch)

    def each(self, texts: Sequence[str], clients: int = 1) -> CellResult:
        """Send requests of one text from `clients` at once."""
        return self._measure(texts, clients, 1)

    def vectors(self, texts: Sequence[str], batch: int) -> Vectors:
        """Return the vectors; one request is sent at a time."""
        return drive(self._client, texts, 1, batch, keep=True).vectors()

    def resident(self) -> int:
        """Return the bytes of memory of the server and its children."""
        return resident(tree(self.child.pid))

    def close(self) -> None:
        """Stop the server, if this is its owner."""
        if self._owner:
            stop([self.child])

    def _measure(self, texts: Sequence[str], clients: int, size: int) -> CellResult:
        before = {pid: cpu_seconds(pid) for pid in tree(self.child.pid)}
        load = drive(self._client, texts, clients, size)
        # The CPU time of a child that has ended (a server's helper at its start) is lost.
        used = sum(max(cpu_seconds(pid) - began, 0.0) for pid, began in before.items())
        return CellResult(len(texts), load.seconds, used, load.cpu, load.times)


def start_infinity(name: str, engine: str, folder: Path, logs: Path) -> EmbeddingServer:
    """Start the server `infinity_emb` on a free port, with its defaults but for network and usage reports."""
    (port,) = free_ports(1)
    options = (
        "v2 --model-id . --served-model-name encoder --device cpu --pooling-method mean --no-bettertransformer "
        f"--host 127.0.0.1 --log-level warning --engine {engine} --port {port}"
    )
    # From inside the folder: its optimum engine cannot name the graph of a local model by any other path.
    command: list[str | Path] = ["env", f"--chdir={folder}", INFINITY.parent / "infinity_emb", *options.split()]
    path = f"{INFINITY.parent}:{os.environ['PATH']}"
    environment = {**peer_environment(), "HF_HUB_CACHE": str(logs / "hub"), "PATH": path}
    child = start(name, command, environment, logs / f"server-{engine}.log", tied=True)
    wait_until(lambda: _is_healthy(port), child, _LOAD_SECONDS)
    return EmbeddingServer(name, "openai", f"http://127.0.0.1:{port}", "encoder", child)


def start_triton_servers(settings: Settings, logs: Path) -> tuple[EmbeddingServer, EmbeddingServer]:
    """Start one Triton with the promoted encoder; return it as a server over gRPC and as one over HTTP."""
    version = promoted_version(settings.repository)
    settings = settings.model_copy(update={"data": logs.parent})
    http, grpc, metrics = free_ports(3)
    running = start_triton(settings, (http, grpc, metrics), version, logs / "triton.log", tied=True)
    model = f"{MODEL}/{version.number}"
    return (
        EmbeddingServer("ours, Triton gRPC", "grpc", running.grpc, model, running.child),
        EmbeddingServer("ours, Triton HTTP", "http", running.http, model, running.child, owner=False, key=running.key),
    )


def start_engines(settings: Settings, models: Path, logs: Path) -> list[EngineProcess]:
    """Start every engine that needs no server; they load at the same time, and `await_ready` waits for each."""
    version = settings.repository / MODEL / str(promoted_version(settings.repository).number)
    python = settings.triton_home / "python" / "bin" / "python"
    return [
        EngineProcess("sentence-transformers torch FP32", "sentence-transformers-torch", PEERS, models, logs),
        EngineProcess("sentence-transformers ONNX INT8", "sentence-transformers-onnx", PEERS, models, logs),
        EngineProcess("sentence-transformers OpenVINO INT8", "sentence-transformers-openvino", PEERS, models, logs),
        EngineProcess("fastembed FP32", "fastembed", PEERS, models, logs),
        EngineProcess("ONNX Runtime dynamic INT8", "onnxruntime-dynamic-int8", PEERS, models, logs),
        EngineProcess("ours, in-process", "ours", python, version, logs),
    ]


def _is_healthy(port: int) -> bool:
    """Return True if the server infinity answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
