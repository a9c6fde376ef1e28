"""Embed shards on a cluster of Ray: tasks read the sources, actors embed, and this process writes the files.

Only finished files come back, so that nodes need no common folder. If a node or an actor dies, Ray repeats what it was
working on; this process takes each shard once. Ray reads ahead only as far as its store of objects holds.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from akin.indexing.bulk.embed import Engine, Made, make
from akin.indexing.bulk.encoders import EncoderPlan, open_encoder
from akin.indexing.bulk.shards import Shard, Source, read_shards
from retrieval_service.errors import SnapshotError

_Batch = dict[str, Any]
_CELL = "shard"
_SECONDS = 10.0
_TOKEN = Path("~/.ray/auth_token")


class RayOptions(msgspec.Struct, frozen=True):
    """Options of embedding on a cluster: where, and how widely.

    Attributes:
        address: Address of the head, such as `10.0.0.1:6379`; empty for a cluster of this process's own.
        least: Actors at the start.
        most: Most actors; 0 for as many as the cluster has cores for.
        cores: Cores of an actor, and threads of its encoder.
    """

    address: str = ""
    least: int = 1
    most: int = 0
    cores: int = 1


def ray_engine(options: RayOptions) -> Engine:
    """Return the engine of a cluster."""
    return partial(_embed, options)


def _embed(
    options: RayOptions, sources: Sequence[Source], plan: EncoderPlan, finished: Mapping[str, str], size: int
) -> Iterator[Made]:
    with _cluster(options) as ray:
        cores = int(ray.cluster_resources().get("CPU", 0))
        most = options.most or max(cores // options.cores, 1)
        if options.cores > cores:
            raise SnapshotError(f"the cluster has {cores} cores, and an actor needs {options.cores}.")
        context = ray.data.DataContext.get_current()
        # Each shard is a block of its own: the unit that is queued, moved and repeated.
        context.target_max_block_size = context.target_min_block_size = 1
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        plan = msgspec.structs.replace(plan, threads=options.cores)
        read = ray.data.from_items([{_CELL: _pack(each)} for each in sources], override_num_blocks=len(sources))
        # Files of this machine may be on no other.
        here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
        where = None if all(each.remote for each in sources) else here
        # Actors may hold every core: a reader that needed one would wait for ever.
        readers = ray.data.TaskPoolStrategy(size=min(len(sources), most))
        shards = read.map_batches(
            partial(_read, size=size), batch_size=1, num_cpus=0, compute=readers, label_selector=where
        )
        made = shards.map_batches(
            _Embedder,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(min_size=min(options.least, most), max_size=most),
            num_cpus=options.cores,
            fn_constructor_args=(ray.put(plan), ray.put(dict(finished))),
        )
        seen: set[str] = set()
        try:
            for row in made.iter_rows():
                each = Made(**msgspec.msgpack.decode(row[_CELL]))
                if each.name and each.name in seen:
                    continue
                seen.add(each.name)
                yield each
        except ray.exceptions.RayError as error:
            raise SnapshotError(
                f"Ray stopped: {_reason(error)}. Finished files are kept; repeat the command."
            ) from error


class _Embedder:
    """Actor that embeds one shard after the other."""

    def __init__(self, *references: Any) -> None:
        import ray

        self._plan, self._finished = ray.get(list(references))
        self._encoder = open_encoder(self._plan)

    def __call__(self, batch: _Batch) -> _Batch:
        made = [
            make(msgspec.msgpack.decode(cell, type=Shard), self._encoder, self._plan, self._finished)
            for cell in batch[_CELL]
        ]
        return {_CELL: np.array([_pack(each._asdict()) for each in made], object)}


def _read(batch: _Batch, size: int) -> Iterator[_Batch]:
    """Yield the shards of sources, one at a time."""
    for cell in batch[_CELL]:
        for shard in read_shards(msgspec.msgpack.decode(cell, type=Source), size):
            yield {_CELL: np.array([_pack(shard)], object)}


def _pack(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


@contextmanager
def _cluster(options: RayOptions) -> Iterator[Any]:
    """Yield the package, connected to the cluster.

    Raises:
        SnapshotError: Ray is not installed, nothing answers at the address, or versions differ.
    """
    # Ray would report to its makers how it is used.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Nodes ask for a token as soon as there is one on their machine; a client of an address sends it only if told so.
    if any(map(os.environ.get, ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))) or _TOKEN.expanduser().exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise SnapshotError(
            "--engine ray needs Ray Data: install akin with the extra `ray` on every node, or use --engine local."
        ) from error
    try:
        if options.address:
            _connect(options.address)
        ray.init(
            address=options.address or "local",
            include_dashboard=None if options.address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, RuntimeError, ValueError) as error:  # ConnectionError is a kind of OSError
        raise SnapshotError(
            f"no cluster of Ray can be used at {options.address or 'this machine'}: {_reason(error)}. Start its head "
            "(ray start --head), install the same versions of Python and Ray everywhere, or correct --address."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    """Connect to the head of a cluster once, as Ray itself would try for minutes.

    Raises:
        OSError: Nothing answers there.
        ValueError: The address is none.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("it must look like 10.0.0.1:6379")
    socket.create_connection((host.strip("[]"), int(port)), _SECONDS).close()


def _reason(error: BaseException | None) -> str:
    """Return the innermost reason of an error, in one line: the last one of a traceback."""
    found = type(error).__name__
    while error is not None:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        found = lines[-1] if lines else found
        error = getattr(error, "cause", None) or error.__cause__
    return found.rstrip(".")[:400]
