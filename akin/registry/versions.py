"""Read the registry of a model: version folders in the model repository, and the pointer to the promoted one.

Training publishes version folders and promotes the very first. After that only `set_promoted_version` moves the
pointer, and `akin.registry.promotion` decides whether it may.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from akin.errors import EncoderError
from akin.storage.digest import file_digest
from akin.storage.durable import replace_file

MODEL = "text_encoder"
RERANKER = "reranker"
_NAMES = {MODEL: "encoder", RERANKER: "reranker"}

# The names of files and folders: of a model, and the manifest of a version. `training.registry` writes the same ones.
POINTER, HISTORY, CONFIG = "PROMOTED", "PROMOTIONS.jsonl", "config.pbtxt"
EVALUATIONS, SOURCES = "evaluations", "sources"
MANIFEST = "manifest.json"
_REMOVED = ".removed"


@dataclass(frozen=True)
class Version:
    """Immutable version of a model.

    Attributes:
        number: The name of its folder.
        promoted: True if it serves.
        manifest: Its description, written by training.
    """

    number: int
    promoted: bool
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """Return the digest that identifies this version."""
        return str(self.manifest["digest"])


def versions(repository: Path, model: str = MODEL) -> list[Version]:
    """Return every version of a model, oldest first."""
    promoted = promoted_number(repository, model)
    return [
        Version(number, number == promoted, manifest(repository, number, model))
        for number in sorted(folder_numbers(repository / model))
    ]


def promoted_version(repository: Path, model: str = MODEL) -> Version:
    """Return the version that serves.

    Raises:
        EncoderError: Nothing was exported yet, or the pointer names a version that does not exist.
    """
    number = promoted_number(repository, model)
    if number is None:
        name = _NAMES[model]
        packaged = "" if model == RERANKER else ", or install the package akin-encoder and run `akin setup`"
        raise EncoderError(
            f"no {name} in {repository}: run `akin {name} export` (about a minute){packaged}, then try again."
        )
    return find(repository, number, model)


def find(repository: Path, number: int, model: str = MODEL) -> Version:
    """Return one version by its number.

    Raises:
        EncoderError: There is no such version.
    """
    there = sorted(folder_numbers(repository / model))
    if number not in there:
        name, names = _NAMES[model], ", ".join(map(str, there)) or "none"
        raise EncoderError(f"{name} version {number} is not in {repository} (it has: {names}). See `akin {name} list`.")
    # With a damaged pointer, versions must still be found, so that one of them can be promoted.
    return Version(number, _pointer(repository, model) == str(number), manifest(repository, number, model))


def set_promoted_version(repository: Path, number: int, model: str = MODEL) -> Version:
    """Move the pointer without a check; `akin.registry.promotion.promote` checks the evaluation and keeps the history.

    Raises:
        EncoderError: There is no such version, or the repository cannot be written.
    """
    find(repository, number, model)
    pointer = repository / model / POINTER
    try:
        replace_file(pointer, f"{number}\n".encode())
    except OSError as error:
        raise EncoderError(f"cannot write {pointer}: {error.strerror}.") from error
    return find(repository, number, model)


def promoted_number(repository: Path, model: str = MODEL) -> int | None:
    """Return the number in the pointer; None if nothing was promoted."""
    text = _pointer(repository, model)
    if text is None:
        return None
    if not text.isdigit():
        path = repository / model / POINTER
        raise EncoderError(
            f"{path} holds {text[:40]!r} instead of a version. Run `akin {_NAMES[model]} promote VERSION`."
        )
    return int(text)


def _pointer(repository: Path, model: str) -> str | None:
    try:
        return (repository / model / POINTER).read_text().strip()
    except FileNotFoundError:
        return None


def manifest(repository: Path, number: int, model: str = MODEL) -> dict[str, Any]:
    """Return a version's manifest.

    Raises:
        EncoderError: The file is missing, or is not a manifest.
    """
    path = repository / model / str(number) / MANIFEST
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} cannot be read ({error}): remove that folder and export again.") from error
    if not isinstance(found, dict) or not isinstance(found.get("digest"), str):
        raise EncoderError(f"{path} is not a version's manifest: remove that folder and export again.")
    return found


def check_files(repository: Path, number: int, model: str = MODEL) -> None:
    """Compare the files of a version with its manifest, before the server parses them.

    Raises:
        EncoderError: A file is missing or damaged.
    """
    folder = repository / model / str(number)
    for name, record in manifest(repository, number, model).get("files", {}).items():
        path = folder / name
        try:
            whole = path.stat().st_size == record["bytes"] and file_digest(path) == record["sha256"]
            reason = "is damaged: its digest is not the one in manifest.json"
        except OSError as error:
            whole, reason = False, f"cannot be read ({error.strerror})"
        if not whole:
            name = _NAMES[model]
            raise EncoderError(
                f"{path} {reason}. Remove that folder and make the version again (akin {name} export), or serve "
                f"another one (akin {name} list, akin {name} promote VERSION --override REASON)."
            )


def remove_versions(repository: Path, numbers: Iterable[int], model: str = MODEL) -> None:
    """Remove folders of versions; a kill leaves none of them in part.

    Raises:
        OSError: One cannot be removed.
    """
    aside = repository / _REMOVED
    shutil.rmtree(aside, ignore_errors=True)
    for number in numbers:
        (repository / model / str(number)).rename(aside)
        shutil.rmtree(aside)


def folder_numbers(model: Path) -> Iterator[int]:
    """Yield the numbers of a model's version folders."""
    if model.is_dir():
        for entry in model.iterdir():
            if entry.name.isascii() and entry.name.isdigit() and entry.is_dir():
                yield int(entry.name)
