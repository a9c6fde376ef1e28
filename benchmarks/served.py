"""A stack of its own for measurements through the served path."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from akin import local_http, stack
from akin.cli.index import build_index
from akin.cli.output import say
from akin.processes import free_ports
from akin.settings import Settings
from benchmarks.beir import Collection

FIELDS = "id=_id,title=title,abstract=text"
"""How a collection's records are read."""


@contextmanager
def served(name: str) -> Iterator[Settings]:
    """A running stack with data of its own, below `data/benchmarks/<name>`."""
    base = Settings.read()
    service, ui, http, grpc, metrics = free_ports(5)
    settings = replace(
        base,
        data=base.data / "benchmarks" / name,
        service_port=service,
        ui_port=ui,
        triton_http_port=http,
        triton_grpc_port=grpc,
        triton_metrics_port=metrics,
    )
    stack.up(settings, say)
    try:
        yield settings
    finally:
        stack.down(settings)


def environment(settings: Settings) -> dict[str, str]:
    """The environment that makes a command use these settings."""
    return {
        **os.environ,
        "AKIN_DATA": str(settings.data),
        "AKIN_SERVICE_PORT": str(settings.service_port),
        "AKIN_UI_PORT": str(settings.ui_port),
        "AKIN_TRITON_HTTP_PORT": str(settings.triton_http_port),
        "AKIN_TRITON_GRPC_PORT": str(settings.triton_grpc_port),
        "AKIN_TRITON_METRICS_PORT": str(settings.triton_metrics_port),
    }


def index(settings: Settings, collection: Collection) -> None:
    """Makes a collection what the running service searches."""
    await_snapshot(settings, build_index(settings, str(collection.corpus), FIELDS).id)


def await_snapshot(settings: Settings, snapshot: str) -> None:
    """Waits until the running service has taken up a new snapshot."""
    deadline = time.monotonic() + 60
    while local_http.get(f"{settings.service_url}/corpus", timeout=10).json().get("snapshot") != snapshot:
        if time.monotonic() > deadline:
            raise SystemExit(f"the service has not taken up snapshot {snapshot}; see {settings.logs}")
        time.sleep(0.2)
