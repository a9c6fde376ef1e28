"""Carry a map over from a snapshot to the one that an update made of it: papers keep their places, new ones get one."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from akin.indexing.corpus_map.build import RowVectors
from akin.indexing.corpus_map.folder import MapDraft, new_map
from akin.indexing.corpus_map.groups import group_papers, primary_categories, years_of
from akin.indexing.corpus_map.neighbours import PLACED_AMONG, mean_place
from akin.indexing.references.carrying import new_rows
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.digests import DIGESTS, read_digests
from retrieval_service.corpus.manifest import CATALOGUE, Manifest
from retrieval_service.corpus.map_files import EDGE, MAP, MAPS, NOWHERE, Coordinates, MapManifest, open_map
from retrieval_service.ports import Rows, RowSet

STALE_SHARE = 0.1
"""Share of papers that were placed by updates, above which a map is better laid out again."""


def carry_map(data: Path, before: Manifest, after: Manifest) -> MapManifest | None:
    """Make the map of a snapshot from that of the one that it was made from; return None if that has no map.

    A paper whose text is the same keeps its place. Every other paper with a vector gets the mean of the places of its
    nearest papers, which are found in the new snapshot's index.

    Raises:
        NoMap: The earlier map cannot be read.
        SnapshotError: The vectors of the new snapshot cannot be read back.
        BuildInProgress: Another process builds a map.
    """
    old, new = (data / "snapshots" / each.id for each in (before, after))
    if not (data / MAPS / old.name / MAP).exists():
        return None
    known = open_map(data, old, before.papers)
    with new_map(data, new) as folder, closing(SqliteCatalogue(new / CATALOGUE)) as catalogue:
        coordinates = _kept(known.coordinates, old, new, after.papers)
        added = _place_new(coordinates, RowVectors(new, after))
        same = known.manifest.grouped_by, [each.code for each in known.manifest.groups]
        grouping = group_papers(primary_categories(new / CATALOGUE), after.papers, same)
        years, first_year, last_year = years_of(catalogue.days)
        about = msgspec.structs.replace(
            known.manifest,
            snapshot=after.id,
            created=datetime.now(UTC).replace(microsecond=0),
            papers=after.papers,
            placed=int(np.count_nonzero(coordinates[:, 0] != NOWHERE)),
            added=known.manifest.added + added,
            groups=grouping.groups,
            first_year=first_year,
            last_year=last_year,
        )
        return folder.finish(MapDraft(coordinates, grouping.of_rows, years, known.manifest.labels), about)


def _kept(places: Coordinates, old: Path, new: Path, papers: int) -> Coordinates:
    """Return the coordinates of the new rows, with those of the papers whose text is the same."""
    found = np.full((papers, 2), NOWHERE, np.uint16)
    rows = new_rows(old, new, len(places))
    then = np.flatnonzero(rows >= 0)
    now = rows[then]
    same = read_digests(new / DIGESTS)["text"][now] == read_digests(old / DIGESTS)["text"][then]
    found[now[same]] = places[then[same]]
    return found


def _place_new(coordinates: Coordinates, vectors: RowVectors) -> int:
    """Give each row with a vector and without a place one; return their number."""
    placed = coordinates[:, 0] != NOWHERE
    wanted: Rows = vectors.rows[~placed[vectors.rows]]
    if not placed.any():
        return 0
    known = placed[vectors.rows]
    within = RowSet(known, int(np.count_nonzero(known)))
    if not within.count:
        return 0
    count = 0
    for row, vector in zip(wanted.tolist(), vectors.of(wanted), strict=True):
        hits = vectors.index.search(vector, PLACED_AMONG, within=within)
        if len(hits.rows):
            near = vectors.rows[hits.rows]
            place = mean_place(hits.scores[None], np.arange(len(near))[None], coordinates[near].astype(np.float32))
            coordinates[row] = np.round(np.clip(place[0], 0, EDGE))
            count += 1
    return count
