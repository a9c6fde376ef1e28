"""Digests of the files that a configuration names: by them DVC sees that a corpus changed though its name did not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from training.errors import ConfigurationError
from training.pipeline.configuration import Configuration
from training.pipeline.run_folder import NEEDS
from training.registry.source import file_sha256


def digest_inputs(configuration: Configuration) -> dict[str, dict[str, str]]:
    """SHA-256 of each file or folder that a part of the configuration names, by part and by what it is called there.

    What is called by another name than a path (the sample, a packaged model, an id on the hub) is left out.

    Raises:
        ConfigurationError: One of them cannot be read.
    """
    plain = msgspec.to_builtins(configuration)
    parts = {part for needed in NEEDS.values() for part in needed}
    found = {}
    for part in sorted(parts):
        paths = {text: Path(text).expanduser() for text in _texts(plain[part])}
        try:
            found[part] = {text: _digest(path) for text, path in paths.items() if path.exists()}
        except OSError as error:
            raise ConfigurationError(f"{part}: {error.filename} cannot be read: {error.strerror}.") from error
    return {part: named for part, named in found.items() if named}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            # A kind is a word of ours, whatever a folder of that name holds.
            yield from () if key == "kind" else _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _digest(path: Path) -> str:
    if path.is_file():
        return file_sha256(path)
    files = sorted(one for one in path.rglob("*") if one.is_file())
    told = "".join(f"{one.relative_to(path)} {file_sha256(one)}\n" for one in files)
    return hashlib.sha256(told.encode()).hexdigest()
