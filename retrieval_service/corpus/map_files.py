"""The map of a snapshot: a place on a plane for each paper, labels of regions, and tiles to draw.

data/maps/<snapshot id>/map.json            the description, with the digest of the snapshot and of every file
data/maps/<snapshot id>/coordinates.u16     x and y of each row, uint16 [papers, 2]; `NOWHERE` for a row without a place
data/maps/<snapshot id>/tiles.bin           the points of all tiles, one tile after the other
data/maps/.building-<snapshot id>-*/        a map in the making, or the rest of a build that was killed

A tile of n points is x uint16 [n], y uint16 [n], group uint8 [n] and year uint8 [n], little-endian. The tile 0/0/0 is
an even sample of the whole map. Each tile is divided into four, which hold further points of their quarter: a tile and
those above it show an even sample of its square. x grows to the right and y downwards, from 0 to `EDGE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from retrieval_service.corpus.manifest import MANIFEST, FileRecord, ends_digest
from retrieval_service.errors import NoMap
from retrieval_service.ports import Rows

MAPS = "maps"
MAP, COORDINATES, TILES = "map.json", "coordinates.u16", "tiles.bin"
SCHEMA = 1
EDGE, NOWHERE = 65_534, 65_535
"""The largest coordinate, and the one of papers without a place."""
POINT_BYTES = 6
NO_YEAR = 0
"""Value of a point's year in a tile for a paper without a date; other years are counted from `first_year`, as 1."""
BUILD_COMMAND = "akin map build"

Coordinates = NDArray[np.uint16]


class MapGroup(msgspec.Struct, frozen=True):
    """Papers of one colour: an archive or a category, or all that have none of these (with an empty code)."""

    code: str
    name: str
    papers: int


class MapLabel(msgspec.Struct, frozen=True):
    """Name of a region.

    Attributes:
        level: Zoom from which it is shown; 0 is the whole map.
        x: Its place from the left, 0 to 1.
        y: Its place from above, 0 to 1.
        text: The name.
        papers: Number of papers of the region.
        category: The category that the region is of; None if it was named by the words of its titles.
    """

    level: int
    x: float
    y: float
    text: str
    papers: int
    category: str | None = None


class MapTile(msgspec.Struct, frozen=True):
    """Square of the map at a zoom, and its number of points; `first` is the number of points in the tiles before."""

    z: int
    x: int
    y: int
    first: int
    points: int


class MapManifest(msgspec.Struct, frozen=True, kw_only=True):
    """The description of a map.

    Attributes:
        schema: Version of the layout.
        snapshot: The snapshot.
        digest: SHA-256 of the snapshot's manifest.
        created: The time at which the map was finished.
        papers: Number of papers in the snapshot.
        placed: Number of papers that have a place; the others have no vector.
        sampled: Number of papers that were laid out; the others were placed among them.
        added: Number of papers that updates of the index placed, since the map was laid out.
        seed: Seed of the sample and of the layout.
        method: The layout's method.
        grouped_by: What the groups are: `archive` or `category`.
        groups: The groups, in the order of their numbers.
        first_year: Year that a point's year is counted from.
        last_year: The newest year.
        labels: Names of regions.
        tiles: All tiles, in the order of the file.
        files: Digests of the files.
    """

    schema: int = SCHEMA
    snapshot: str
    digest: str
    created: datetime
    papers: int
    placed: int
    sampled: int
    added: int = 0
    seed: int
    method: str
    grouped_by: str
    groups: tuple[MapGroup, ...]
    first_year: int
    last_year: int
    labels: tuple[MapLabel, ...]
    tiles: tuple[MapTile, ...]
    files: dict[str, FileRecord]

    @property
    def version(self) -> str:
        """Name of this map in addresses, for caches: another map has another one."""
        return self.files[TILES].sha256[:16]


@dataclass(frozen=True)
class CorpusMap:
    """A map that was opened.

    Attributes:
        manifest: Its description.
        coordinates: x and y of each row.
    """

    manifest: MapManifest
    coordinates: Coordinates
    _tiles: NDArray[np.uint8]

    def tile(self, z: int, x: int, y: int) -> bytes:
        """Return the points of a tile.

        Raises:
            NoMap: The map has no such tile.
        """
        for each in self.manifest.tiles:
            if (each.z, each.x, each.y) == (z, x, y):
                return self._tiles[POINT_BYTES * each.first : POINT_BYTES * (each.first + each.points)].tobytes()
        raise NoMap(f"The map has no tile {z}/{x}/{y}; GET /map lists the tiles.")

    def places(self, rows: Sequence[int]) -> list[tuple[float, float] | None]:
        """Return x and y of some rows, 0 to 1; None for a row without a place."""
        found = self.coordinates[np.asarray(rows, np.int64)]
        return [None if x == NOWHERE else (x / EDGE, y / EDGE) for x, y in found.tolist()]

    def nearest(self, x: float, y: float, k: int) -> Rows:
        """Return the rows of the k papers that are nearest to a place, the nearest first."""
        delta = self.coordinates.astype(np.float32)
        nowhere = self.coordinates[:, 0] == NOWHERE
        delta -= np.asarray([x * EDGE, y * EDGE], np.float32)
        distance = np.einsum("nd,nd->n", delta, delta)
        distance[nowhere] = np.inf
        k = min(k, self.manifest.placed)
        best = np.argpartition(distance, k - 1)[:k] if 0 < k < len(distance) else np.flatnonzero(~nowhere)
        return best[np.argsort(distance[best], kind="stable")].astype(np.int64)


def snapshot_digest(snapshot: Path) -> str:
    """Return the SHA-256 of a snapshot's manifest, which has the digests of all its files."""
    return sha256((snapshot / MANIFEST).read_bytes()).hexdigest()


def read_map_manifest(folder: Path) -> MapManifest:
    """Read the description of a map.

    Raises:
        NoMap: There is none, or it is damaged or of another release.
    """
    path = folder / MAP
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=MapManifest)
    except FileNotFoundError:
        raise NoMap(f"This corpus has no map; build one with {BUILD_COMMAND}.") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoMap(f"The map cannot be read ({error}); build it again with {BUILD_COMMAND}.") from error
    if manifest.schema != SCHEMA:
        raise NoMap(
            f"The map has the layout {manifest.schema}, and this release reads {SCHEMA}; build it again with "
            f"{BUILD_COMMAND}."
        )
    return manifest


def open_map(data: Path, snapshot: Path, papers: int) -> CorpusMap:
    """Open the map of a snapshot.

    Args:
        data: The data folder.
        snapshot: The snapshot.
        papers: Number of its papers.

    Raises:
        NoMap: It has none, or the map is damaged or of another snapshot; the message says what to do.
    """
    folder = data / MAPS / snapshot.name
    manifest = read_map_manifest(folder)
    if manifest.digest != snapshot_digest(snapshot) or manifest.papers != papers:
        raise NoMap(
            f"The map is of another snapshot ({manifest.snapshot}, {manifest.papers} papers) than the one that is "
            f"searched ({snapshot.name}, {papers} papers); build one for it with {BUILD_COMMAND}."
        )
    for name, record in manifest.files.items():
        try:
            whole = (folder / name).stat().st_size == record.bytes and ends_digest(folder / name) == record.ends
        except OSError:
            whole = False
        if not whole:
            raise NoMap(f"The file {name} of the map is damaged; build the map again with {BUILD_COMMAND}.")
    coordinates = np.memmap(folder / COORDINATES, "<u2", "r", shape=(papers, 2))
    # A memory map cannot be empty.
    tiles = np.memmap(folder / TILES, np.uint8, "r") if manifest.placed else np.empty(0, np.uint8)
    return CorpusMap(manifest, coordinates, tiles)


def maps_of_others(data: Path, snapshot: str) -> list[MapManifest]:
    """Return the maps of other snapshots, the newest first."""
    found = []
    for folder in sorted((data / MAPS).glob("[!.]*"), reverse=True):
        if folder.name != snapshot:
            try:
                found.append(read_map_manifest(folder))
            except NoMap:
                continue
    return found
