"""Refresh the index: harvest, update, verify, make live, prune. One refresh at a time; its record becomes metrics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from akin.errors import AkinError, PapersUnusable
from akin.index_reports import Say
from akin.indexing.corpus_map.folder import remove_unused_maps
from akin.indexing.verify import Verification, verify
from akin.papers import PapersError
from akin.partial_snapshots import complete_index
from akin.snapshots import IndexSource, ShowProgress, cli_errors, find_manifest, update_index
from akin.stack_settings import Settings
from akin.storage.locks import hold_lock
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import Manifest
from retrieval_service.errors import BuildInProgress, RetrievalError
from retrieval_service.latest_refresh import FOLDER, LOCK, RefreshRecord, read_record, write_record


@dataclass(frozen=True)
class RefreshOptions:
    """Bounds of a refresh.

    Attributes:
        keep: Number of the newest snapshots that stay.
        rows: Rows of the new snapshot that are compared with their texts and embeddings.
        queries: Papers that its recall is measured with.
        recall: The recall@10 below which it does not become live.
    """

    keep: int = 2
    rows: int = 100_000
    queries: int = 256
    recall: float = 0.9


class _Progress:
    """Record of a running refresh."""

    def __init__(self, data: Path, started: datetime) -> None:
        self._data = data
        before = read_record(data)
        self.record = RefreshRecord(started=started, step="start", succeeded=before.succeeded if before else None)

    def write(self, **changes: object) -> RefreshRecord:
        self.record = msgspec.structs.replace(self.record, **changes)
        write_record(self._data, self.record)
        return self.record


def refresh(
    settings: Settings,
    fetch: Callable[[Manifest], IndexSource],
    options: RefreshOptions,
    *,
    say: Say,
    bar: ShowProgress,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> RefreshRecord:
    """Bring the live snapshot up to date and return the record of what was done.

    Args:
        settings: The folders, and the encoder.
        fetch: Returns the file of changes since a snapshot, such as a harvest.
        options: What the new snapshot must fulfil.
        say: Called with messages.
        bar: Shows the progress.
        now: Returns the time.

    Raises:
        AkinError: It failed, and the record says so; the snapshot before it stays live.
        PapersError: The source cannot be fetched or read; likewise.
        PapersUnusable: Another refresh runs; its record is not touched.
    """
    busy = PapersUnusable(f"another refresh of {settings.data} is running: wait for its end.")
    with cli_errors(), hold_lock(settings.data / FOLDER / LOCK, 0.0, busy):
        progress = _Progress(settings.data, now())
        try:
            manifest, changed = _update(settings, fetch, options, progress, say=say, bar=bar)
            progress.write(step="prune")
            _prune(settings, options.keep, say)
        except BaseException as error:
            known = isinstance(error, AkinError | PapersError | RetrievalError | OSError)
            with suppress(OSError):  # the first error is the one to report
                progress.write(outcome="failed", ended=now(), error=str(error) if known else "it was interrupted")
            raise
        change = manifest.change if changed else None
        counts = {name: getattr(change, name) for name in ("added", "replaced", "withdrawn")} if change else {}
        outcome, end = "updated" if changed else "unchanged", now()
        return progress.write(outcome=outcome, step="end", ended=end, succeeded=end, snapshot=manifest.id, **counts)


def _update(
    settings: Settings,
    fetch: Callable[[Manifest], IndexSource],
    options: RefreshOptions,
    progress: _Progress,
    *,
    say: Say,
    bar: ShowProgress,
) -> tuple[Manifest, bool]:
    progress.write(step="harvest")
    before = find_manifest(settings, None)
    if before.partial:
        before = complete_index(settings, say=say, bar=bar)
    source = fetch(before)
    progress.write(step="update")

    def accept(manifest: Manifest) -> None:
        progress.write(step="verify")
        path = SnapshotDirectory(settings.data).path(manifest.id)
        found = verify(path, settings.data, rows=options.rows, queries=options.queries, say=say)
        require_good(found, options.recall)
        progress.write(step="swap")

    manifest = update_index(settings, source, may_lack=None, withdrawn=(), accept=accept, say=say, bar=bar)
    return manifest, manifest.id != before.id


def require_good(found: Verification, recall: float) -> None:
    """Check that a snapshot may become the live one.

    Raises:
        PapersUnusable: It is damaged, or its index finds too little.
    """
    if not found.whole:
        reasons = "; ".join(str(problem) for problem in found.damage) or "none of its vectors could be compared"
        raise PapersUnusable(f"{found.snapshot} does not become live: {reasons}. It is removed.")
    if found.recall is not None and found.recall.recall_at_10 < recall:
        raise PapersUnusable(
            f"{found.snapshot} does not become live: its index finds {found.recall.recall_at_10:.3f} of the ten "
            f"nearest papers, less than {recall:g}. It is removed. Choose another index: akin index tune."
        )


def _prune(settings: Settings, keep: int, say: Say) -> None:
    try:
        for name in SnapshotDirectory(settings.data).prune(keep):
            say(f"removed {name}")
        remove_unused_maps(settings.data)
    except BuildInProgress:
        say("old snapshots stay, as another build runs: the next refresh removes them")
