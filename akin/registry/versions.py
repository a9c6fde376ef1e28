"""The encoder registry: version folders in the model repository, and the pointer to the promoted one.

Training publishes version folders and promotes the very first; from then on only `promote` moves the pointer, and
`akin.registry.promotion` decides whether it may.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from akin.errors import EncoderError
from storage.durable import replace_file

MODEL = "text_encoder"
POINTER = "PROMOTED"


@dataclass(frozen=True)
class Version:
    """One immutable version of the encoder.

    Attributes:
        number: Its folder's name.
        promoted: Whether it is the one that serves.
        manifest: What training wrote about it.
    """

    number: int
    promoted: bool
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """What tells this encoder from any other."""
        return str(self.manifest["digest"])


def versions(repository: Path) -> list[Version]:
    """Every version, oldest first."""
    promoted = promoted_number(repository)
    return [
        Version(number, number == promoted, manifest(repository, number))
        for number in sorted(folder_numbers(repository / MODEL))
    ]


def promoted_version(repository: Path) -> Version:
    """The version that serves.

    Raises:
        EncoderError: Nothing was exported yet, or the pointer names a version that is not there.
    """
    number = promoted_number(repository)
    if number is None:
        raise EncoderError(f"no encoder in {repository}: run `akin encoder export` (about a minute), then try again.")
    return find(repository, number)


def find(repository: Path, number: int) -> Version:
    """One version by its number.

    Raises:
        EncoderError: There is no such version.
    """
    there = sorted(folder_numbers(repository / MODEL))
    if number not in there:
        names = ", ".join(map(str, there)) or "none"
        raise EncoderError(
            f"encoder version {number} is not in {repository} (there: {names}). See `akin encoder list`."
        )
    # A damaged pointer names no version, and must not keep one from being found and promoted.
    return Version(number, _pointer(repository) == str(number), manifest(repository, number))


def promote(repository: Path, number: int) -> Version:
    """Move the pointer without a check; `akin.registry.promotion.promote` checks the evaluation and keeps the history.

    Raises:
        EncoderError: There is no such version, or the repository cannot be written.
    """
    find(repository, number)
    pointer = repository / MODEL / POINTER
    try:
        replace_file(pointer, f"{number}\n".encode())
    except OSError as error:
        raise EncoderError(f"cannot write {pointer}: {error.strerror}.") from error
    return find(repository, number)


def promoted_number(repository: Path) -> int | None:
    """The number in the pointer; None when nothing was promoted."""
    text = _pointer(repository)
    if text is None:
        return None
    if not text.isdigit():
        path = repository / MODEL / POINTER
        raise EncoderError(f"{path} says {text[:40]!r}, which is no version. Run `akin encoder promote VERSION`.")
    return int(text)


def _pointer(repository: Path) -> str | None:
    try:
        return (repository / MODEL / POINTER).read_text().strip()
    except FileNotFoundError:
        return None


def manifest(repository: Path, number: int) -> dict[str, Any]:
    """What training wrote about a version.

    Raises:
        EncoderError: The manifest is missing or is no manifest.
    """
    path = repository / MODEL / str(number) / "manifest.json"
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} cannot be read ({error}): remove that folder and export again.") from error
    if not isinstance(found, dict) or not isinstance(found.get("digest"), str):
        raise EncoderError(f"{path} is not an encoder's manifest: remove that folder and export again.")
    return found


def folder_numbers(model: Path) -> Iterator[int]:
    """The numbers of a model's version folders."""
    if model.is_dir():
        for entry in model.iterdir():
            if entry.name.isascii() and entry.name.isdigit() and entry.is_dir():
                yield int(entry.name)
