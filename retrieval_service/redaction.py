"""Remove this machine's paths and network addresses from texts that are answered over HTTP.

Errors keep their full text for the log and the command line. Errors about the request itself are answered as they are:
they contain only what the client sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from retrieval_service.errors import RequestError, RetrievalError

# Routes of the service, which messages refer to. A longer path is a path of this machine, not a route.
_OWN = r"(?:docs|openapi\.json|search|embed|corpus|metrics|papers|health(?:/live|/ready)?)(?=[\s,;:)?]|\.\s|\.?$)"
_QUOTED = re.compile(r"""(['"`])(~?/[^'"`\n]*)\1""")
_PATH = re.compile(rf"""(?<![\w/.:~*-])~?/(?!{_OWN})[^\s'"`,;()<>\[\]{{}}]+""")
_ADDRESS = re.compile(
    r"(\s(?:at|on|from|to|for|below))?(\s?)"
    r"(?:\('[^']*', \d+\)"  # a socket's address as Python prints it
    r"|\b(?:grpcs?|https?|tcp|unix|dns|file):/+[^\s'\"`,;()<>]+"
    r"|\bipv[46]:[^\s'\"`,;()<>]+"
    r"|\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\](?::\d+)?"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b"
    r"|(?<![\w.-])[A-Za-z][\w.-]*+:\d{2,5}\b"
    r"|\bname=[\w.-]+)"  # the name in gRPC's message about a failed look-up
)


def redact_text(text: str) -> str:
    """Return a text without absolute paths and addresses; of a path, its part inside the snapshot or its name stays."""
    text = _QUOTED.sub(lambda found: f"{found[1]}{_name(found[2])}{found[1]}", text)
    text = _PATH.sub(lambda found: _redact_path(found[0]), text)
    return _ADDRESS.sub(_without_address, text)


def redact_detail(value: object) -> object:
    """Return a JSON value with `redact_text` applied to every text in it."""
    if isinstance(value, str):
        return _name(value) if value.startswith("/") and "\n" not in value else redact_text(value)
    if isinstance(value, Mapping):
        return {key: redact_detail(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redact_detail(one) for one in value]
    return value


def redact_message(error: RetrievalError) -> str:
    """Return an error's message as clients may read it."""
    if isinstance(error, RequestError):
        return error.message
    file = (error.detail or {}).get("file")
    # A path may contain spaces, so its end is certain only where the whole path is known.
    return redact_text(error.message.replace(file, _name(file)) if isinstance(file, str) and file else error.message)


def _name(path: str) -> str:
    """Return a path's part below the folder of snapshots, or its last part."""
    parts = [part for part in path.split("/") if part]
    if "snapshots" in parts[:-1]:
        return "/".join(parts[parts.index("snapshots") + 1 :])
    return parts[-1] if parts else "a folder"


def _redact_path(path: str) -> str:
    end = len(path.rstrip(".:!?"))
    return _name(path[:end]) + path[end:]


def _without_address(found: re.Match[str]) -> str:
    end = found[0][len(found[0].rstrip(".:")) :]
    return end if found[1] else f"{found[2]}its address{end}"
