"""Take the port of a server before the rest of it is opened, and name the reason if that fails."""

from __future__ import annotations

import os
import socket

_BACKLOG = 2048
"""The number of connections that may wait to be accepted: uvicorn's own."""
_COPIES = 15


class CannotListen(Exception):
    """Address that cannot be listened on; the message names it, the reason, and the settings that choose another."""


def listen(host: str, port: int, chosen_by: str) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: A name or an address; one with a colon is an IPv6 address.
        port: The port; 0 for any free one.
        chosen_by: The settings that choose the address, with the verb: `AKIN_UI_HOST and AKIN_UI_PORT choose`.

    Raises:
        CannotListen: The port is taken, or this machine does not have the address.
    """
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {host}:{port}: {reason_of(error)}. {chosen_by} another address."
        ) from error


def with_copies(listener: socket.socket) -> list[socket.socket]:
    """Return a socket that listens, and copies of it, to be served together.

    uvloop accepts one connection of each socket in a round of its loop. Under load a round takes tens of milliseconds,
    and new clients would wait for seconds while those that are connected are answered.
    """
    return [listener, *(listener.dup() for _ in range(_COPIES))]


def reason_of(error: OSError) -> str:
    """Return the system's text for an error. A wrong host name has a negative number and a text of its own."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
