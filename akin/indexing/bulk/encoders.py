"""Open the encoder that embeds shards: the one of a version folder in this process, or Triton's by its address.

Texts of a shard are divided into the same batches on every machine, so that the vectors do not depend on the engine.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Protocol

import msgspec
import numpy as np

from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.errors import RetrievalError, SnapshotError
from retrieval_service.ports import Vectors

_BATCH, _IN_FLIGHT = 64, 4  # as in a build


class EncoderPlan(msgspec.Struct, frozen=True):
    """Parts that a process needs to open an encoder, here or on another machine.

    Attributes:
        digest: Its digest.
        version: Its number in the model repository.
        dim: Length of its vectors.
        url: Address of the Triton that serves it; empty to run it in the process.
        files: Files of its version folder by name, for the process; empty with an address.
        threads: Threads of the process; 0 for one for each core that it may use.
        max_length: Tokens that it reads of a text.
    """

    digest: str
    version: int
    dim: int
    url: str = ""
    files: dict[str, bytes] = {}
    threads: int = 0
    max_length: int | None = None


class PassageEncoder(Protocol):
    """Makes vectors of the texts of papers."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of unit length, float32 [texts, dim]."""

    def close(self) -> None:
        """Release connections and files."""


def plan_of(folder: Path, number: int, manifest: dict[str, Any], *, url: str = "", threads: int = 0) -> EncoderPlan:
    """Return the plan of a version in a model repository.

    Args:
        folder: The version's folder.
        number: Its number.
        manifest: Its manifest.
        url: Address of the Triton that serves it; empty to run it in the process, for which its files are read.
        threads: Threads of the process.
    """
    files = {} if url else {each.name: each.read_bytes() for each in sorted(folder.iterdir()) if each.is_file()}
    return EncoderPlan(
        manifest["digest"], number, manifest["dim"], url, files, threads, max_length=manifest.get("max_length")
    )


def open_encoder(plan: EncoderPlan) -> PassageEncoder:
    """Return the encoder of a plan.

    Raises:
        SnapshotError: It cannot be run here, or Triton serves another one or none.
    """
    return _AtTriton(plan) if plan.url else _InProcess(plan)


class _InProcess:
    """Encoder run by the code that is published with it."""

    def __init__(self, plan: EncoderPlan) -> None:
        self._plan = plan
        self._aside = TemporaryDirectory(prefix="akin-encoder-")
        folder = Path(self._aside.name)
        with ExitStack() as on_error:
            on_error.callback(self.close)
            for name, content in plan.files.items():
                (folder / name).write_bytes(content)
            try:
                self._encoder = _load(folder / "runtime.py").TextEncoder(folder, threads=plan.threads)
            except ImportError as error:
                raise SnapshotError(
                    f"the encoder cannot run in this process ({error}): install akin with the extra `ray`, or name a "
                    "Triton by --encoder grpc://host:port."
                ) from error
            if self._encoder.digest != plan.digest:
                raise SnapshotError(
                    f"the encoder's files are of {self._encoder.digest[:12]}, not {plan.digest[:12]}: export it again."
                )
            on_error.pop_all()

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors, _ = self._encoder.encode(texts, "passage")
        return _checked(vectors, len(texts), self._plan)

    def close(self) -> None:
        self._aside.cleanup()


class _AtTriton:
    """Encoder served by Triton, with several requests at the same time."""

    def __init__(self, plan: EncoderPlan) -> None:
        self._plan = plan
        self._runner = asyncio.Runner()
        self._triton = TritonConnection(plan.url)
        try:
            self._encoder = self._runner.run(self._triton.find(plan.digest))
        except RetrievalError as error:
            self.close()
            raise SnapshotError(
                f"{str(error).rstrip('.')}. Start Triton with the promoted encoder at this address, or name another by "
                "--encoder."
            ) from error

    def embed(self, texts: Sequence[str]) -> Vectors:
        return _checked(self._runner.run(self._embed(texts)), len(texts), self._plan)

    def close(self) -> None:
        self._runner.run(self._triton.close())
        self._runner.close()

    async def _embed(self, texts: Sequence[str]) -> Vectors:
        # Texts of similar length share a request, as in a build.
        order = sorted(range(len(texts)), key=lambda place: (-len(texts[place]), place))
        vectors = np.empty((len(texts), self._plan.dim), np.float32)
        slots = asyncio.Semaphore(_IN_FLIGHT)

        async def send(rows: list[int]) -> None:
            async with slots:
                vectors[rows] = (await self._encoder.embed_passages([texts[row] for row in rows])).vectors

        await asyncio.gather(*(send(order[at : at + _BATCH]) for at in range(0, len(order), _BATCH)))
        return vectors


def _checked(vectors: Vectors, count: int, plan: EncoderPlan) -> Vectors:
    if vectors.shape != (count, plan.dim) or not np.isfinite(vectors).all():
        raise SnapshotError(f"encoder {plan.digest[:12]} made no {count} finite vectors of length {plan.dim}.")
    return vectors


def _load(path: Path) -> ModuleType:
    """Return the module of a version folder; it imports others from there."""
    spec = importlib.util.spec_from_file_location("akin_version_runtime", path)
    if spec is None or spec.loader is None or not path.exists():
        raise ImportError(f"the version has no {path.name}")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
        for name, loaded in list(sys.modules.items()):
            if os.path.dirname(str(getattr(loaded, "__file__", None))) == str(path.parent):
                del sys.modules[name]
    return module
