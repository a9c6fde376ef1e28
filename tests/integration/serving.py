"""Servers of this process, each in a thread, for tests with a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from akin.edge.serving import server_config
from akin.stack.processes import free_ports
from gradio_ui.serve import create_server_app
from gradio_ui.settings import Settings
from retrieval_service.app import create_app
from retrieval_service.settings import Settings as ServiceSettings
from tests.integration.generated import OneEncoder
from tests.servers import within


@contextmanager
def served(app: Any, port: int) -> Iterator[str]:
    """Serve an application as the real servers do; yield its address."""
    server = uvicorn.Server(server_config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    within(60, "the server has started", lambda: server.started or not thread.is_alive())
    assert server.started
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def page_and_service(data: Path, encoder: Any, **settings: Any) -> Iterator[tuple[str, str]]:
    """Serve the page and the service over a data directory; yield their addresses."""
    ports = free_ports(2)
    with ExitStack() as stack:
        service = create_app(ServiceSettings(data=data, search_threads=2, **settings), OneEncoder(encoder))
        address = stack.enter_context(served(service, ports[0]))
        page = create_server_app(Settings(service_url=address, ui_port=ports[1]))
        yield stack.enter_context(served(page, ports[1])), address
