"""Runs the service: `python -m retrieval_service`."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from types import FrameType
from typing import NoReturn

import uvicorn

from retrieval_service.app import create_app
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
    try:
        # Before anything is opened: a taken port is no reason to read indexes.
        listener = _listen(settings)
    except OSError as error:
        # The names of hosts fail with negative numbers that only their own text explains.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
        print(
            f"retrieval_service: cannot listen on {settings.service_host}:{settings.service_port}: {reason}. "
            "AKIN_SERVICE_HOST and AKIN_SERVICE_PORT choose another place.",
            file=sys.stderr,
        )
        return 1
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            log_config=None,
            log_level=settings.log_level,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    # The server obeys a signal and then raises it once more, when these handlers are back: obeying is no failure.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    with listener:
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _listen(settings: Settings) -> socket.socket:
    host = settings.service_host
    # As many may wait to be accepted as uvicorn itself would let.
    return socket.create_server(
        (host, settings.service_port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
    )


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
