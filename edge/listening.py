"""Taking the port of a server before anything of it is opened, with the reason in words where it cannot be had."""

from __future__ import annotations

import os
import socket

_BACKLOG = 2048
"""Connections that may wait to be accepted: as many as uvicorn itself would let."""


class CannotListen(Exception):
    """An address cannot be listened on; the message names it, the reason, and the settings that choose another."""


def listen(host: str, port: int, chosen_by: str) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: A name or an address; one with a colon is of IPv6.
        port: 0 takes a free one.
        chosen_by: The settings that choose the place, with the verb: `AKIN_UI_HOST and AKIN_UI_PORT choose`.

    Raises:
        CannotListen: The port is taken, or the address is not of this machine.
    """
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {reason_of(error)}. {chosen_by} another place.") from error


def reason_of(error: OSError) -> str:
    """Return why, in the system's words; a wrong host name fails with a negative number that its own text explains."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
