"""Keep a small record in a file of JSON, which other processes read while it is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from akin.storage.durable import replace_file

_T = TypeVar("_T", bound=msgspec.Struct)


def read_struct(path: Path, kind: type[_T]) -> _T | None:
    """Return the record in a file; None if there is no readable one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, ValueError):  # a ValidationError of msgspec is a ValueError
        return None


def write_struct(path: Path, record: msgspec.Struct) -> None:
    """Replace the record in a file, readable by people.

    Raises:
        OSError: It cannot be written.
    """
    replace_file(path, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
