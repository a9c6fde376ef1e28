"""Run a stack of its own, with its own data, for measurements of the service."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from akin.cli.index import build_index
from akin.cli.output import say
from akin.relevance import Collection, corpus_file
from akin.stack import lifecycle, local_http
from akin.stack.processes import free_ports
from akin.stack_settings import PORTS, Settings

FIELDS = "id=_id,title=title,abstract=text"
"""The mapping by which the records of a collection are read."""

_SECONDS_TO_SWITCH = 60


@contextmanager
def private_stack(*folders: str) -> Iterator[Settings]:
    """Start a stack with its data in `data/benchmarks/<folders>`, yield its settings, and stop it at the end."""
    settings = private_settings(*folders)
    lifecycle.up(settings, say)
    try:
        yield settings
    finally:
        lifecycle.down(settings)


def private_settings(*folders: str) -> Settings:
    """Return the settings of a stack of its own: its data in `data/benchmarks/<folders>`, and free ports."""
    base = Settings.read()
    return base.with_data_and_ports(base.data.joinpath("benchmarks", *folders), free_ports(len(PORTS)))


def stack_environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which a command uses these settings."""
    return {**os.environ, **settings.environment}


def index_collection(settings: Settings, collection: Collection) -> None:
    """Index a collection and wait until the running service searches it."""
    corpus = corpus_file(collection, settings.data / "collections")
    await_snapshot(settings, build_index(settings, str(corpus), FIELDS).id)


def await_snapshot(settings: Settings, snapshot: str) -> None:
    """Wait until the running service searches a snapshot."""
    deadline = time.monotonic() + _SECONDS_TO_SWITCH
    while local_http.get(f"{settings.service_url}/corpus", timeout=10).json().get("snapshot") != snapshot:
        if time.monotonic() > deadline:
            raise SystemExit(
                f"the service does not search snapshot {snapshot} after {_SECONDS_TO_SWITCH} s; see {settings.logs}"
            )
        time.sleep(0.2)
