"""What is measured: engines in processes of their own, and servers on loopback; started here and stopped by id."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from akin.registry.versions import MODEL, promoted_version
from akin.settings import ROOT, Settings
from akin.stack.processes import Child, free_ports, start, start_time, stop, tail, wait_until
from akin.stack.triton import start_triton
from benchmarks.encoder.clients import ClientLoad, drive, embedding_client
from benchmarks.encoder.environment import INFINITY, PEERS, for_peer

Vectors = NDArray[np.float32]
_LOAD_SECONDS = 180.0


@dataclass
class CellResult:
    """One cell of one round.

    Attributes:
        texts: How many were encoded.
        seconds: In how long.
        cpu: Seconds of CPU that the system used, without its client.
        client_cpu: Seconds of CPU of the client; 0 where there is none.
        times: Seconds of each request.
    """

    texts: int
    seconds: float
    cpu: float
    client_cpu: float = 0.0
    times: list[float] = field(default_factory=list)


class EmbeddingSystem(Protocol):
    """Something that turns texts into vectors."""

    name: str
    served: bool

    def together(self, texts: Sequence[str], batch: int) -> CellResult:
        """Bulk work: as the system does many texts best, `batch` at a time; served ones by four clients at once."""

    def each(self, texts: Sequence[str], clients: int = 1) -> CellResult:
        """Single texts, by so many clients at once, each waiting for its answer."""

    def vectors(self, texts: Sequence[str], batch: int) -> Vectors:
        """The vectors themselves, `batch` texts in a request, one request after another."""

    def resident(self) -> int:
        """Bytes of memory that are its own now."""

    def close(self) -> None:
        """Ends its process."""


class EngineProcess:
    """An engine, driven through `worker.py`."""

    served = False

    def __init__(self, name: str, engine: str, python: Path, folder: Path, logs: Path) -> None:
        """Starts the process; `await_ready` waits for its first word."""
        self.name = name
        self.versions: dict[str, str] = {}
        self._kept = logs / f"{engine}.npy"
        self._log = logs / f"{engine}.log"
        logs.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-m", "benchmarks.encoder.worker", engine, folder],
                env={**for_peer(), "HF_HUB_CACHE": str(logs / "hub")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )

    def await_ready(self) -> None:
        """Waits until the engine has encoded its first text."""
        self.versions = self._answer()["versions"]

    def together(self, texts: Sequence[str], batch: int) -> CellResult:
        """One call for all texts."""
        return self._measured(texts, {"do": "together", "texts": list(texts), "batch": batch})

    def each(self, texts: Sequence[str], clients: int = 1) -> CellResult:
        """One call for each text, one after another: a library gathers nothing from its callers."""
        return self._measured(texts, {"do": "each", "texts": list(texts)})

    def vectors(self, texts: Sequence[str], batch: int) -> Vectors:
        """The vectors, by way of a file."""
        do = "each" if batch == 1 else "together"
        self._order({"do": do, "texts": list(texts), "batch": batch, "keep": str(self._kept)})
        found: Vectors = np.load(self._kept)
        self._kept.unlink()
        return found

    def resident(self) -> int:
        """Of the one process."""
        return resident(self._process.pid)

    def close(self) -> None:
        """Ends its input, then the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _measured(self, texts: Sequence[str], order: dict[str, Any]) -> CellResult:
        answer = self._order(order)
        return CellResult(len(texts), answer["seconds"], answer["cpu"], 0.0, answer["times"])

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} has ended. Its log, {self._log}, ends:\n{tail(self._log, 12)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


class EmbeddingServer:
    """A server on loopback, driven by clients in this process."""

    served = True

    def __init__(
        self, name: str, protocol: str, address: str, model: str, child: Child, *, owner: bool = True, key: str = ""
    ) -> None:
        """Take a server that runs; the owner of its process ends it. `key` opens the statistics of our Triton."""
        self.name = name
        self.child = child
        self.address = address
        self._client = embedding_client(protocol, address, model)
        self._owner = owner
        self.key = key

    def together(self, texts: Sequence[str], batch: int) -> CellResult:
        """Four requests of `batch` texts under way."""
        return self._measured(texts, 4, batch)

    def each(self, texts: Sequence[str], clients: int = 1) -> CellResult:
        """So many requests of one text under way."""
        return self._measured(texts, clients, 1)

    def vectors(self, texts: Sequence[str], batch: int) -> Vectors:
        """One request at a time."""
        return drive(self._client, texts, 1, batch, keep=True).vectors()

    def resident(self) -> int:
        """Of the server and its children."""
        return sum(resident(pid) for pid in tree(self.child.pid))

    def close(self) -> None:
        """Stops the server, if it is this one's."""
        if self._owner:
            stop([self.child])

    def _measured(self, texts: Sequence[str], clients: int, size: int) -> CellResult:
        before = {pid: cpu_seconds(pid) for pid in tree(self.child.pid)}
        load: ClientLoad = drive(self._client, texts, clients, size)
        # A child that ended meanwhile (a server's helper at its start) takes what it used with it.
        used = sum(max(cpu_seconds(pid) - began, 0.0) for pid, began in before.items())
        return CellResult(len(texts), load.seconds, used, load.cpu, load.times)


def start_infinity(name: str, engine: str, folder: Path, logs: Path) -> EmbeddingServer:
    """The server `infinity_emb`, on a free port, with its defaults but for the network and the usage report."""
    (port,) = free_ports(1)
    command: list[str | Path] = [
        # From inside the folder: its optimum engine cannot name the graph of a local model by any other path.
        *(
            "env",
            f"--chdir={folder}",
            INFINITY.parent / "infinity_emb",
            "v2",
            "--model-id",
            ".",
            "--served-model-name",
            "encoder",
        ),
        *(
            "--engine",
            engine,
            "--device",
            "cpu",
            "--pooling-method",
            "mean",
            "--no-bettertransformer",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ),
        *("--log-level", "warning"),
    ]
    environment = {**for_peer(), "HF_HUB_CACHE": str(logs / "hub"), "PATH": f"{INFINITY.parent}:{os.environ['PATH']}"}
    child = start(name, command, environment, logs / f"server-{engine}.log", tied=True)
    wait_until(lambda: healthy(port), child, _LOAD_SECONDS)
    return EmbeddingServer(name, "openai", f"http://127.0.0.1:{port}", "encoder", child)


def start_triton_servers(settings: Settings, logs: Path) -> tuple[EmbeddingServer, EmbeddingServer]:
    """One Triton with the promoted encoder, over gRPC and over HTTP."""
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
    """Every engine that needs no server; they load at the same time, and are to be awaited."""
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


def healthy(port: int) -> bool:
    """Whether an infinity server answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def tree(pid: int) -> list[int]:
    """A process and its descendants (each thread of a process may have started some)."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split() if start_time(int(child)) is not None]
    return found


def resident(pid: int) -> int:
    """Bytes of physical memory that a process has mapped (VmRSS)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process; none of one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
