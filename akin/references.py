"""Import, describe and export the references of snapshots for the command line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from msgspec import UNSET

from akin.errors import PapersUnusable
from akin.index_reports import Say
from akin.indexing.map_upkeep import keep_map
from akin.indexing.references.importing import ROWS_AT_ONCE, import_references
from akin.messages import write_errors
from akin.registry.switch import make_live
from akin.snapshots import ShowProgress, cli_errors, find_manifest
from akin.stack_settings import Settings
from akin.storage.durable import publish_file
from retrieval_service.adapters.reference_arrays import ReferenceArrays
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import CATALOGUE, Manifest, ReferencesRecord


def import_files(
    settings: Settings, files: Sequence[Path], *, add: bool, say: Say, bar: ShowProgress
) -> tuple[Manifest, ReferencesRecord]:
    """Import references into the live snapshot: make a snapshot that has them the live one, and return its manifest.

    Raises:
        PapersUnusable: they cannot be imported; the live snapshot stays the same.
    """
    base = find_manifest(settings, None)
    if add and base.references is UNSET:
        raise PapersUnusable(f"{base.id} has no references to add to: import the files without --add.")
    started = time.monotonic()
    with cli_errors(), bar() as progress:
        manifest = import_references(files, settings.data, base=base.id, add=add, use=False, progress=progress)
    with cli_errors():
        keep_map(settings.data, base, manifest, say)
        make_live(settings, manifest.id, say)
    found = manifest.references
    assert found is not UNSET, "an import records its references"
    say(
        f"{found.pairs:,} references between {found.papers:,} of {manifest.papers:,} papers, in "
        f"{time.monotonic() - started:.1f} s; snapshot {manifest.id} is live"
    )
    say(
        f"left out: {found.outside:,} references to papers outside the corpus, {found.own:,} of a paper to itself, "
        f"{found.repeated:,} repeated; {found.broken:,} lines could not be read"
    )
    return manifest, found


def require_references(settings: Settings, snapshot: str | None) -> tuple[Manifest, ReferencesRecord]:
    """Return the manifest of a snapshot, or of the live one, and the record of its references.

    Raises:
        PapersUnusable: there is no such snapshot, or it has no references.
    """
    manifest = find_manifest(settings, snapshot)
    if manifest.references is UNSET:
        raise PapersUnusable(f"{manifest.id} has no references; import them with: akin references import FILE")
    return manifest, manifest.references


def export_pairs(settings: Settings, snapshot: str | None, path: Path) -> int:
    """Write the pairs of a citing and a cited id of a snapshot, one a line; return their number.

    A tab is between the ids; in a file whose name ends with .jsonl, each line is an object with `citing` and `cited`.

    Raises:
        PapersUnusable: the snapshot has no references, or the file cannot be written; it is then unchanged.
    """
    manifest, _ = require_references(settings, snapshot)
    with cli_errors(), write_errors(path):
        folder = SnapshotDirectory(settings.data).path(manifest.id)
        arrays = ReferenceArrays(folder, manifest.papers)
        with closing(SqliteCatalogue(folder / CATALOGUE)) as catalogue, _written_aside(path) as file:
            ids, lines = catalogue.ids(), path.suffix == ".jsonl"
            for first in range(0, manifest.papers, ROWS_AT_ONCE):
                pairs = arrays.pairs(first, min(first + ROWS_AT_ONCE, manifest.papers))
                for citing, cited in zip(*(rows.tolist() for rows in pairs), strict=True):
                    one, other = ids[citing], ids[cited]
                    file.write(f"{json.dumps({'citing': one, 'cited': other})}\n" if lines else f"{one}\t{other}\n")
    return len(arrays)


@contextmanager
def _written_aside(path: Path) -> Iterator[IO[str]]:
    """Yield a file that replaces another one when all is written; standard output for `-`."""
    if str(path) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        aside = Path(file.name)
        try:
            yield file
            file.close()
            aside.chmod(0o644)
            publish_file(aside, path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
