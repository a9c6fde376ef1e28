"""Run the service: `python -m retrieval_service`."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, nullcontext
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from starlette.types import ASGIApp

from akin.collection.store import CollectionError
from akin.edge import CannotListen, listen, tracing, with_copies
from akin.edge.observed import set_up_logs
from akin.edge.serving import server_config
from akin.settings import SettingsError
from akin.settings.unknown import warnings
from retrieval_service.adapters.redis_accounts import RedisNotInstalled
from retrieval_service.app import create_app
from retrieval_service.memory import limit_arenas
from retrieval_service.metrics_app import create_metrics_app
from retrieval_service.settings import Settings


def main() -> int:
    """Serve until a signal ends it; return 0 unless it could not be started."""
    limit_arenas()
    try:
        settings = Settings.read()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    set_up_logs(settings.log_level.upper(), settings.log_format, "%(asctime)s %(levelname)s %(name)s: %(message)s")
    for line in warnings():
        logging.warning(line)
    with ExitStack() as listeners:
        try:
            # Before anything is opened: if a port is taken, no index must be read.
            listener = listeners.enter_context(
                listen(settings.service_host, settings.service_port, "AKIN_SERVICE_HOST and AKIN_SERVICE_PORT choose")
            )
            metrics_listener = listeners.enter_context(_listen_for_metrics(settings))
        except CannotListen as error:
            print(f"retrieval_service: {error}", file=sys.stderr)
            return 1
        try:
            app = create_app(settings)
        except CollectionError as error:
            print(f"retrieval_service: AKIN_COLLECTION is {settings.collection}, and {error}", file=sys.stderr)
            return 2
        except RedisNotInstalled as error:
            print(f"retrieval_service: AKIN_RATE_REDIS is set, and {error}", file=sys.stderr)
            return 2
        try:
            tracing.start("akin-service", settings.traces, settings.traces_share)
        except tracing.TracingUnavailable as error:
            print(f"retrieval_service: {error}", file=sys.stderr)
            return 2
        listeners.callback(tracing.stop)
        server = uvicorn.Server(
            _config(
                app,
                settings,
                trusted_proxies=settings.trusted_proxies,
                root_path=settings.service_root_path,
                refuse_at_once=app.state.refuse_at_once,
            )
        )
        metrics_server = None
        if metrics_listener is not None:
            config = _config(create_metrics_app(settings, app.state.metrics, app.state.keys), settings, lifespan="off")
            metrics_server = MetricsServer(config, metrics_listener)
        # Uvicorn stops at a signal and then raises it again, for these handlers: the exit code of a stop is 0.
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGINT, _leave)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_serve(server, listener, metrics_server))
    return 0 if server.started else 1


class MetricsServer(uvicorn.Server):
    """Server of the metrics port; it ends with the main server, which handles the signals."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        """Take the configuration and the socket; `beside` serves."""
        super().__init__(config)
        self._listener = listener

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the main server."""
        yield

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Serve while the block runs."""
        task = asyncio.create_task(self.serve([self._listener]))
        try:
            yield
        finally:
            self.should_exit = True
            await task


async def _serve(server: uvicorn.Server, listener: socket.socket, metrics_server: MetricsServer | None) -> None:
    async with metrics_server.beside() if metrics_server else nullcontext():
        await server.serve(with_copies(listener))


def _config(app: ASGIApp, settings: Settings, **options: Any) -> uvicorn.Config:
    return server_config(app, **options, log_config=None, log_level=settings.log_level, timeout_graceful_shutdown=5)


def _listen_for_metrics(settings: Settings) -> AbstractContextManager[socket.socket | None]:
    if not settings.service_metrics_port:
        return nullcontext()
    return listen(
        settings.service_metrics_host,
        settings.service_metrics_port,
        "AKIN_SERVICE_METRICS_HOST and AKIN_SERVICE_METRICS_PORT (0: no metrics) choose",
    )


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
