"""Write a map into a folder of its own and give it its name when it is complete; a killed build leaves the old map."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.indexing.corpus_map.tiles import divide
from akin.storage.durable import replace_folder
from akin.storage.locks import hold_lock
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import file_records
from retrieval_service.corpus.map_files import (
    COORDINATES,
    MAP,
    MAPS,
    NOWHERE,
    TILES,
    Coordinates,
    MapLabel,
    MapManifest,
    MapTile,
    snapshot_digest,
)
from retrieval_service.errors import BuildInProgress

_BUILDING = ".building-"


@dataclass(frozen=True)
class MapDraft:
    """The content of a map.

    Attributes:
        coordinates: x and y of each row.
        groups: Number of each row's group.
        years: Each row's year, counted from the first as 1.
        labels: Names of regions.
    """

    coordinates: Coordinates
    groups: NDArray[np.uint8]
    years: NDArray[np.uint8]
    labels: tuple[MapLabel, ...]


class MapFolder:
    """Folder of a map in the making."""

    def __init__(self, building: Path, published: Path, snapshot: Path) -> None:
        """Take the folder, its final name, and the snapshot that the map is of."""
        self._building, self._published, self._snapshot = building, published, snapshot

    def finish(self, draft: MapDraft, about: MapManifest) -> MapManifest:
        """Write all files and put the map in place; return its description, completed with tiles and digests."""
        draft.coordinates.astype("<u2").tofile(self._building / COORDINATES)
        placed = np.flatnonzero(draft.coordinates[:, 0] != NOWHERE)
        content = draft.coordinates[placed], draft.groups[placed], draft.years[placed]
        tiles: list[MapTile] = []
        with (self._building / TILES).open("wb") as file:
            for tile, points in divide(*content, about.seed):
                tiles.append(tile)
                file.write(points)
        manifest = msgspec.structs.replace(
            about,
            digest=snapshot_digest(self._snapshot),
            labels=draft.labels,
            tiles=tuple(tiles),
            files=file_records(self._building),
        )
        (self._building / MAP).write_bytes(msgspec.json.encode(manifest))
        replace_folder(self._building, self._published)
        return manifest


@contextmanager
def new_map(data: Path, snapshot: Path) -> Iterator[MapFolder]:
    """Yield a folder to write the map of a snapshot into; remove it afterwards unless the map was finished.

    Raises:
        BuildInProgress: Another process builds a map.
    """
    root = data / MAPS
    busy = f"{root}: another map is being built; wait for its end."
    with hold_lock(root / ".lock", 0.0, BuildInProgress(busy)):
        _remove_unfinished(root)
        building = root / f"{_BUILDING}{snapshot.name}-{secrets.token_hex(3)}"
        building.mkdir()
        try:
            yield MapFolder(building, root / snapshot.name, snapshot)
        finally:
            _remove_unfinished(root)


def remove_unused_maps(data: Path) -> list[str]:
    """Remove the maps of snapshots that are gone; return their names.

    Raises:
        BuildInProgress: Another process builds a map.
    """
    root = data / MAPS
    if not root.is_dir():
        return []
    with hold_lock(root / ".lock", 0.0, BuildInProgress(f"{root}: a map is being built; wait for its end.")):
        kept = set(SnapshotDirectory(data).ids())
        unused = sorted(path.name for path in root.glob("[!.]*") if path.is_dir() and path.name not in kept)
        for name in unused:
            shutil.rmtree(root / name)
    return unused


def _remove_unfinished(root: Path) -> None:
    for stale in root.glob(f"{_BUILDING}*"):
        shutil.rmtree(stale, ignore_errors=True)
