"""Keep the map of a corpus while its snapshots change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from retrieval_service.corpus.manifest import Manifest
from retrieval_service.errors import NoMap, SnapshotError

_MOST_PLACED = 200_000  # papers, each of which takes a search


def keep_map(data: Path, before: Manifest, after: Manifest, say: Callable[[str], None]) -> None:
    """Carry the map over to a new snapshot, if the one that it was made from has one; say what became of it.

    A failure leaves the new snapshot without a map, and is said; it never stops an update.
    """
    from akin.indexing.corpus_map.carry import STALE_SHARE, carry_map
    from retrieval_service.corpus.map_files import MAP, MAPS

    known = before.with_vectors if isinstance(before.with_vectors, int) else after.papers
    if after.papers - known > _MOST_PLACED and (data / MAPS / before.id / MAP).exists():
        say("the map was not carried over, as most papers would have to be placed: build it with akin map build")
        return
    try:
        found = carry_map(data, before, after)
    except (NoMap, SnapshotError, OSError) as error:
        say(f"the map was not carried over ({error}): build it with akin map build")
        return
    if found is not None:
        say(f"the map has {found.placed:,} papers, {found.added:,} of them placed by updates")
        if found.added > STALE_SHARE * found.placed:
            say("lay it out again with: akin map build")
