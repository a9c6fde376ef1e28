"""Runs the service: `python -m retrieval_service`."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, nullcontext
from types import FrameType
from typing import Literal, NoReturn

import uvicorn
from starlette.types import ASGIApp

from edge import CannotListen, listen
from retrieval_service.app import create_app
from retrieval_service.operators import create_operators_app
from retrieval_service.settings import Settings
from settings import SettingsError
from settings.unknown import warnings


def main() -> int:
    """Serves until told to stop; the exit code is 0 unless it could not be started."""
    try:
        settings = Settings.read()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(
        level=settings.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for line in warnings():
        logging.warning(line)
    with ExitStack() as listeners:
        try:
            # Before anything is opened: a taken port is no reason to read indexes.
            listener = listeners.enter_context(
                listen(settings.service_host, settings.service_port, "AKIN_SERVICE_HOST and AKIN_SERVICE_PORT choose")
            )
            metrics_listener = listeners.enter_context(_listen_for_operators(settings))
        except CannotListen as error:
            print(f"retrieval_service: {error}", file=sys.stderr)
            return 1
        app = create_app(settings)
        server = uvicorn.Server(_config(app, settings))
        operators = None
        if metrics_listener is not None:
            config = _config(create_operators_app(settings, app.state.metrics), settings, lifespan="off")
            operators = Operators(config, metrics_listener)
        # The server obeys a signal and then raises it once more, when these handlers are back: obeying is no failure.
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGINT, _leave)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(_serve(server, listener, operators))
    return 0 if server.started else 1


class Operators(uvicorn.Server):
    """The server of the operators' port; it ends with the one beside it, which alone takes signals."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        """Serve nothing yet."""
        super().__init__(config)
        self._listener = listener

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the other server."""
        yield

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Serve as long as the block runs."""
        task = asyncio.create_task(self.serve([self._listener]))
        try:
            yield
        finally:
            self.should_exit = True
            await task


async def _serve(server: uvicorn.Server, listener: socket.socket, operators: Operators | None) -> None:
    async with operators.beside() if operators else nullcontext():
        await server.serve([listener])


def _config(app: ASGIApp, settings: Settings, lifespan: Literal["auto", "off"] = "auto") -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan=lifespan,
        log_config=None,
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=5,
    )


def _listen_for_operators(settings: Settings) -> AbstractContextManager[socket.socket | None]:
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
