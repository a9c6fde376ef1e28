"""Say where a file of a backup belongs on this machine, and which files are moved together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from akin.backup.content import of_version
from akin.registry.versions import EVALUATIONS, MANIFEST
from akin.stack_settings import Settings

STAGE = ".restore-"


@dataclass(frozen=True)
class Place:
    """Place of a file: a folder of this machine, which exists or is made, and a name inside it."""

    folder: Path
    inner: str

    @property
    def target(self) -> Path:
        """Return the path of the file."""
        return self.folder / self.inner

    def staged(self, token: str) -> Path:
        """Return the path beside it, on the same file system, where a restore writes it first."""
        return self.folder / f"{STAGE}{token}" / self.inner


def place_of(settings: Settings, name: str) -> Place | None:
    """Return where a file of a backup belongs; None for a model that this release does not have."""
    part, _, inner = name.partition("/")
    if part == "models":
        model, _, inner = inner.partition("/")
        return Place(settings.repository / model, inner) if inner else None
    if part == "keys":
        return Place(settings.keys_file.parent, settings.keys_file.name)
    folders = {"feedback": settings.feedback_folder, "collection": settings.collection_folder}
    return Place(folders.get(part, settings.data / part), inner)


def unit_of(name: str) -> str:
    """Return the file or folder of a backup that is moved as a whole: a snapshot, a map, a version, a file."""
    parts = name.split("/")
    if parts[0] == "models":
        return "/".join(parts[: 4 if parts[2] == EVALUATIONS else 3])
    return "/".join(parts[:2])


def is_same_version(settings: Settings, unit: str, staged: Path) -> bool:
    """Return True if a version of a model, or its evaluations, is here already, with the same digest."""
    parts = unit.split("/")
    if parts[0] != "models":
        return False
    place = settings.repository.joinpath(*parts[1:])
    if parts[2] == EVALUATIONS:
        return place.is_dir()
    if not parts[2].isdecimal() or not (place / MANIFEST).is_file():
        return False
    try:
        there = str(json.loads((place / MANIFEST).read_bytes())["digest"])
    except (ValueError, KeyError, TypeError):
        return False
    return there == of_version((staged / MANIFEST).read_bytes())
