"""Publish the encoder of the package `akin-encoder` in the model repository, so that nobody has to export one.

The package holds one version folder as training made it. It becomes the next version, completely or not at all; only
the very first version is promoted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from akin.errors import EncoderError
from akin.messages import waiting_for
from akin.registry.versions import (
    CONFIG,
    MANIFEST,
    MODEL,
    folder_numbers,
    promoted_number,
    set_promoted_version,
    versions,
)
from akin.storage.durable import replace_file, sync
from akin.storage.locks import hold_lock

PACKAGE = "akin_encoder"
_STAGING = ".packaged-"
_SECONDS_TO_WAIT = 60.0


def packaged_folder() -> Path | None:
    """Return the folder of the packaged version; None if the package is not installed."""
    found = find_spec(PACKAGE)
    for place in (found.submodule_search_locations or []) if found else []:
        folder = Path(place) / MODEL / "1"
        if (folder / MANIFEST).is_file():
            return folder
    return None


def publish_packaged(repository: Path, say: Callable[[str], None] | None = None) -> int | None:
    """Publish the packaged encoder unless the repository has it; return its number, None if nothing was published.

    Args:
        repository: The model repository.
        say: Called with what is waited for, if another command is publishing.

    Raises:
        EncoderError: The package is damaged, or the repository cannot be written.
    """
    source = packaged_folder()
    if source is None:
        return None
    manifest = check_files(source)
    busy = EncoderError(f"another command is publishing an encoder in {repository}: try again later.")
    waiting = waiting_for(say, f"publishes an encoder in {repository}", _SECONDS_TO_WAIT) if say else None
    try:
        with hold_lock(repository / MODEL / ".packaged.lock", _SECONDS_TO_WAIT, busy, waiting):
            return _publish(repository, source, manifest)
    except OSError as error:
        raise EncoderError(
            f"cannot write {error.filename or repository}: {error.strerror or error}. Set AKIN_DATA to another folder."
        ) from error


def _publish(repository: Path, source: Path, manifest: dict[str, Any]) -> int | None:
    """Publish a version unless the repository has it; return its number, None if nothing was published.

    Raises:
        EncoderError: The pointer of the repository is damaged.
        OSError: A file cannot be written.
    """
    there = [version.number for version in versions(repository) if version.digest == manifest["digest"]]
    if there:
        # A publish that was killed before its last step has promoted nothing.
        if promoted_number(repository) is None:
            set_promoted_version(repository, there[0])
        return None
    model = repository / MODEL
    for left in model.glob(f"{_STAGING}*"):
        shutil.rmtree(left, ignore_errors=True)
    staged = Path(tempfile.mkdtemp(prefix=_STAGING, dir=model))
    try:
        for name in manifest["files"]:
            shutil.copyfile(source / name, staged / name)
        number = max([0, *folder_numbers(model), promoted_number(repository) or 0]) + 1
        numbered = {**manifest, "version": number}
        (staged / MANIFEST).write_text(json.dumps(numbered, indent=2, ensure_ascii=False) + "\n", "utf-8")
        for path in (*staged.iterdir(), staged):
            os.chmod(path, 0o755 if path.is_dir() else 0o644)
            sync(path)
        replace_file(model / CONFIG, (source.parent / CONFIG).read_bytes())
        staged.rename(model / str(number))
        sync(model)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    if promoted_number(repository) is None:
        set_promoted_version(repository, number)
    return number


def check_files(folder: Path) -> dict[str, Any]:
    """Return the manifest of a version folder after a check of its files.

    Raises:
        EncoderError: A file is missing, is another than the manifest says, or lies outside of the folder.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        for name, described in manifest["files"].items():
            if name in ("", "..", MANIFEST) or Path(name).name != name:
                raise ValueError(f"{name!r} is no name of a file in this folder")
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != described["sha256"]:
                raise EncoderError(f"{folder / name} is damaged: install the package akin-encoder again.")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderError(
            f"the encoder in {folder} cannot be read ({error}): install the package akin-encoder again."
        ) from error
    return manifest
