"""A stack of its own for measurements through the served path."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from akin.cli.index import build_index
from akin.cli.output import say
from akin.settings import PORTS, Settings
from akin.stack import lifecycle, local_http
from akin.stack.processes import free_ports
from relevance import Collection

FIELDS = "id=_id,title=title,abstract=text"
"""How a collection's records are read."""


@contextmanager
def private_stack(name: str) -> Iterator[Settings]:
    """A running stack with data of its own, below `data/benchmarks/<name>`."""
    settings = private_settings(name)
    lifecycle.up(settings, say)
    try:
        yield settings
    finally:
        lifecycle.down(settings)


def private_settings(*folders: str) -> Settings:
    """Return the settings of a stack of its own: a folder below `data/benchmarks/`, and ports that nobody uses."""
    base = Settings.read()
    return base.elsewhere(base.data.joinpath("benchmarks", *folders), free_ports(len(PORTS)))


def stack_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that makes a command use these settings."""
    return {**os.environ, **settings.environment}


def index_collection(settings: Settings, collection: Collection) -> None:
    """Makes a collection what the running service searches."""
    await_snapshot(settings, build_index(settings, str(collection.corpus), FIELDS).id)


def await_snapshot(settings: Settings, snapshot: str) -> None:
    """Waits until the running service has taken up a new snapshot."""
    deadline = time.monotonic() + 60
    while local_http.get(f"{settings.service_url}/corpus", timeout=10).json().get("snapshot") != snapshot:
        if time.monotonic() > deadline:
            raise SystemExit(f"the service has not taken up snapshot {snapshot}; see {settings.logs}")
        time.sleep(0.2)
