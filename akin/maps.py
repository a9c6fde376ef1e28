"""Build maps of snapshots and carry them over to the next snapshot, for the command line."""

from __future__ import annotations

from akin.index_reports import Say
from akin.snapshots import ShowProgress, cli_errors, find_manifest
from akin.stack_settings import Settings
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.map_files import CorpusMap, MapManifest, open_map


def build(
    settings: Settings, snapshot: str | None, *, sample: int, seed: int, say: Say, bar: ShowProgress
) -> MapManifest:
    """Build the map of a snapshot, or of the live one.

    Raises:
        PapersUnusable: There is no such snapshot, its vectors cannot be read back, or the extra `map` is missing.
    """
    from akin.indexing.corpus_map.build import MapOptions, build_map
    from akin.indexing.corpus_map.folder import remove_unused_maps

    with cli_errors(), bar() as progress:
        found = build_map(settings.data, find_manifest(settings, snapshot).id, MapOptions(sample, seed), progress)
        for name in remove_unused_maps(settings.data):
            say(f"removed the map of {name}, which is no longer there")
    return found


def open_of(settings: Settings, snapshot: str | None) -> CorpusMap:
    """Return the map of a snapshot, or of the live one.

    Raises:
        PapersUnusable: There is no such snapshot, or it has no map that can be used.
    """
    manifest = find_manifest(settings, snapshot)
    with cli_errors():
        return open_map(settings.data, SnapshotDirectory(settings.data).path(manifest.id), manifest.papers)
