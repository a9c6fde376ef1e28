"""Make and read the key to Triton's APIs other than inference, health and metadata.

Loading a model runs code, and the trace, logging and shared-memory APIs write files and memory, so they require a key
that only `akin` has. It lies in the run folder, readable only by the user who runs the stack; a restarted Triton gets
the same one.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

from akin.stack_settings import Settings

HEADER = "akin-key"
RESTRICTED = ("shared-memory", "model-config", "model-repository", "statistics", "trace", "logging")


def new() -> str:
    """Return a new random key: 64 hex digits."""
    return secrets.token_hex(32)


def make(settings: Settings) -> str:
    """Return the key in the run folder; write one if there is none that only this user can read.

    Two processes that call this at the same time get the same key.

    Raises:
        OSError: The run folder cannot be written.
    """
    path = key_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_private(path):
        path.unlink(missing_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    aside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return read(settings)


def read(settings: Settings) -> str:
    """Return the key in the run folder; empty if there is none."""
    with contextlib.suppress(FileNotFoundError):
        found = key_file(settings).read_text()
        if re.fullmatch(r"[0-9a-f]{64}", found):
            return found
    return ""


def key_file(settings: Settings) -> Path:
    """Return the path of the key."""
    return settings.run / "triton.key"


def is_private(path: Path) -> bool:
    """Return True if a file holds a key, belongs to this user, and cannot be read by others."""
    try:
        status = path.lstat()
        whole = re.fullmatch(r"[0-9a-f]{64}", path.read_text())
    except (OSError, UnicodeDecodeError):
        return False
    return bool(whole) and status.st_uid == os.geteuid() and not status.st_mode & 0o077 and not path.is_symlink()


def options(key: str) -> list[str]:
    """Return the options that make Triton require the key, over HTTP and over gRPC."""
    rule = f"{','.join(RESTRICTED)}:{HEADER}={key}"
    return [f"--http-restricted-api={rule}", f"--grpc-restricted-protocol={rule}"]


def hide(pid: int, key: str) -> bool:
    """Overwrite a key in the arguments of a process, as every user of this machine can list those.

    Triton takes the key only as an argument, and reads its arguments once, before it listens.

    Returns:
        False if the system does not permit to write into that process.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        first, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc(5)
        with Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:
            memory.seek(first)
            arguments = memory.read(end - first) or b""
            for found in re.finditer(re.escape(key.encode()), arguments):
                memory.seek(first + found.start())
                memory.write(b"x" * len(key))
    except OSError:
        return False
    return True
