"""Build, update, tune and choose snapshots, with the encoder that the local stack serves or one started for this."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from akin.errors import EncoderError, PapersUnusable
from akin.index_reports import Say, report_update, say_ids
from akin.indexing.build import build_snapshot
from akin.indexing.changes import ChangedPapers
from akin.indexing.map_upkeep import keep_map
from akin.indexing.options import BuildOptions, OnProgress
from akin.indexing.snapshot_parts import require_whole
from akin.indexing.tune import TuneOptions, tune_snapshot
from akin.indexing.update import has_present_rules, update_snapshot
from akin.live_snapshot import LiveSnapshot
from akin.messages import counted
from akin.papers import PaperReader, read_papers
from akin.papers.remote import Harvest
from akin.registry import versions
from akin.registry.switch import make_live
from akin.stack.lifecycle import encoder_server
from akin.stack.wait import wait_for
from akin.stack_settings import Settings
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.adapters.sqlite_catalogue import newest_day
from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.last_build import record_build
from retrieval_service.corpus.manifest import CATALOGUE, Manifest, read_manifest
from retrieval_service.corpus.snapshot import verify_snapshot
from retrieval_service.errors import RetrievalError
from retrieval_service.ports import Encoder

MAY_LACK = 0.05
"""Largest share of the papers that an update with a complete source withdraws without --allow-shrink."""

_LEAVES_SECONDS = 5.0

_Result = TypeVar("_Result")
ShowProgress = Callable[[], AbstractContextManager[OnProgress]]
"""Function that returns a progress bar as a context manager; its value is the function that updates the bar."""


@dataclass(frozen=True)
class IndexSource:
    """File of papers to index.

    Attributes:
        path: the file.
        name: its name in manifests: not a path, as the page shows it.
        fields: mapping of the fields of a file in another layout; None for the layouts that are recognised.
        strict: True to stop at the first bad record instead of setting it aside.
        harvest: the harvest that wrote the file, if there is one.
    """

    path: Path
    name: str
    fields: str | None = None
    strict: bool = False
    harvest: Harvest | None = None

    def read(self, rejects: Path) -> PaperReader:
        """Open the file; bad records are written to `rejects`."""
        return read_papers(self.path, self.fields, strict=self.strict, rejects=rejects)


@contextmanager
def cli_errors() -> Iterator[None]:
    """Convert errors of snapshots and of the disk to `PapersUnusable`, which the command line prints in one line."""
    try:
        yield
    except RetrievalError as error:
        raise PapersUnusable(str(error)) from error
    except ConnectionError:
        raise
    except OSError as error:
        raise PapersUnusable(
            f"cannot write {error.filename or 'to the data folder'}: {error.strerror or error}. AKIN_DATA moves it."
        ) from error


def find_manifest(settings: Settings, snapshot: str | None) -> Manifest:
    """Return the manifest of a snapshot, or of the live one.

    Raises:
        PapersUnusable: there is no such snapshot.
    """
    with cli_errors():
        snapshots = SnapshotDirectory(settings.data)
        name = snapshot or snapshots.current()
        if name is None:
            raise PapersUnusable("nothing is indexed yet; make the first snapshot with: akin index build sample")
        return read_manifest(snapshots.path(name))


def find_usable_manifest(settings: Settings, say: Say) -> Manifest | None:
    """Return the manifest of the live snapshot, of any source; None if there is no live snapshot.

    Raises:
        EncoderError: another encoder than the promoted one made it, so that it cannot be searched.
    """
    with cli_errors():
        snapshots = SnapshotDirectory(settings.data)
        name = snapshots.current()
        live = read_manifest(snapshots.path(name)) if name else None
    if live is None:
        return None
    encoder = wait_for("an encoder", lambda: versions.promoted_version(settings.repository), settings.wait_seconds, say)
    if live.encoder.digest != encoder.digest:
        raise EncoderError(
            f"snapshot {live.id} ({live.papers:,} papers of {live.source}) was made by encoder "
            f"{live.encoder.digest[:12]}, and {encoder.digest[:12]} (version {encoder.number}) is promoted: build it "
            f"again (akin index build {live.source}), or promote the encoder it was made by (akin encoder list)."
        )
    say(f"{live.papers:,} papers of {live.source} are indexed: snapshot {live.id}")
    return live


def find_current_manifest(settings: Settings, source_name: str) -> Manifest | None:
    """Return the manifest of the live snapshot if it is whole and has this source, encoder and analysis of today."""
    with cli_errors():
        snapshots = SnapshotDirectory(settings.data)
        current = snapshots.current()
        live = next((manifest for manifest in snapshots.manifests() if manifest.id == current), None)
    encoder = versions.promoted_version(settings.repository)
    wanted = (source_name, encoder.digest, ANALYSIS_VERSION)
    found = (live.source, live.encoder.digest, live.analysis_version) if live and not live.partial else None
    return live if found == wanted else None


def use_snapshot(settings: Settings, snapshot: str, say: Say) -> None:
    """Make a snapshot the live one.

    Raises:
        PapersUnusable: there is no such snapshot, or one of its files is damaged.
        EncoderError: Triton refuses to unload an encoder that is no longer needed.
    """
    with cli_errors():
        for damage in verify_snapshot(SnapshotDirectory(settings.data).path(snapshot)):
            raise damage
        make_live(settings, snapshot, say)


def build_index(
    settings: Settings, source: IndexSource, options: BuildOptions, *, say: Say, bar: ShowProgress
) -> Manifest:
    """Build a snapshot from a file of papers and make it the live one.

    Raises:
        PapersError: the file cannot be read.
        PapersUnusable: it cannot be indexed; the live snapshot stays the same.
    """
    rejects = rejects_path(settings, source.name)
    with cli_errors(), source.read(rejects) as reader:
        started, live = time.monotonic(), LiveSnapshot(settings, say)
        manifest = run_with_encoder(
            settings,
            lambda encoder, progress: build_snapshot(
                reader,
                encoder,
                settings.data,
                source_name=source.name,
                options=options,
                progress=progress,
                harvest=source.harvest,
                go_live=step_to(live, say),
            ),
            say=say,
            bar=bar,
        )
        seconds = time.monotonic() - started
        is_live = live.replace(manifest)
        remove_superseded(settings)
    say_ids(reader, say)
    if reader.report.rejected_total:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in reader.report.rejected.most_common())
        say(f"{counted(reader.report.rejected_total, 'record')} set aside ({reasons}): see {rejects}")
    say(
        f"{counted(manifest.papers, 'paper')} indexed in {seconds:.1f} s "
        f"({manifest.embedded:,} embedded, the rest known); snapshot {manifest.id} is "
        f"{'live' if is_live else 'published'}"
    )
    return manifest


def step_to(live: LiveSnapshot, say: Say) -> Callable[[Manifest], None]:
    """Return the function that makes a partial snapshot the live one, and says what can be searched, and since when."""
    started = time.monotonic()

    def make(manifest: Manifest) -> None:
        if not live.replace(manifest):
            return
        vectors = f", {manifest.with_vectors:,} of them by meaning too" if manifest.with_vectors else ""
        then = "more vectors follow" if manifest.with_vectors else "vectors follow (if interrupted: akin index update)"
        seconds = time.monotonic() - started
        say(f"searchable by words now: {manifest.papers:,} papers{vectors}, after {seconds:.0f} s; {then}")

    return make


def remove_superseded(settings: Settings) -> None:
    """Remove the partial snapshots of a build that has ended; give a service a few seconds to leave the last one."""
    until = time.monotonic() + _LEAVES_SECONDS
    while SnapshotDirectory(settings.data).remove_superseded() and time.monotonic() < until:
        time.sleep(0.5)


def update_index(
    settings: Settings,
    source: IndexSource,
    *,
    may_lack: float | None,
    withdrawn: tuple[str, ...],
    remove_deleted: bool = False,
    accept: Callable[[Manifest], None] | None = None,
    say: Say,
    bar: ShowProgress,
) -> Manifest:
    """Update the live snapshot with a file of changes and make the new snapshot the live one.

    Args:
        settings: the settings.
        source: the changes.
        may_lack: the file is the whole corpus, and this is the largest share of the papers that it may withdraw by not
            holding them; None if the file has changes only.
        withdrawn: ids to withdraw.
        remove_deleted: remove papers whose record is marked as deleted, instead of marking them as withdrawn.
        accept: called with the new snapshot before it becomes the live one; an error that it raises removes it.
        say: called with messages.
        bar: shows the progress.

    Returns:
        The manifest of the new snapshot, or of the old one if nothing changed.

    Raises:
        PapersError: the file cannot be read.
        PapersUnusable: the snapshot cannot be updated; it stays the live one.
    """
    before = find_manifest(settings, None)
    rejects = rejects_path(settings, source.name)
    started = time.monotonic()
    empty = source.path.is_file() and source.path.stat().st_size == 0  # of a harvest that found nothing
    with ExitStack() as stack:
        reader = None if empty else stack.enter_context(source.read(rejects))
        complete, share = may_lack is not None, 1.0 if may_lack is None else may_lack
        changes = ChangedPapers(reader or (), source.name, complete, withdrawn, source.harvest, share, remove_deleted)
        stack.enter_context(cli_errors())
        manifest = run_with_encoder(
            settings,
            lambda encoder, progress: update_snapshot(
                changes, encoder, settings.data, options=BuildOptions(use=False), progress=progress
            ),
            say=say,
            bar=bar,
        )
        changed = manifest.id != before.id
        if changed:
            if accept is not None:
                try:
                    accept(manifest)
                except BaseException:
                    SnapshotDirectory(settings.data).remove(manifest.id)
                    raise
            keep_map(settings.data, before, manifest, say)
            make_live(settings, manifest.id, say)
    if reader:
        say_ids(reader, say)
    if rejected := sum(manifest.rejected.values()) if changed else reader and reader.report.rejected_total:
        say(f"{counted(rejected, 'record')} set aside: see {rejects}")
    if changed:
        report_update(manifest, source.name, time.monotonic() - started, say)
    else:
        say(f"nothing in {source.name} is new; {manifest.id} stays live")
    return manifest


def convert_index(settings: Settings, *, say: Say, bar: ShowProgress) -> Manifest:
    """Convert the live snapshot, if an earlier release wrote it, and make the new snapshot the live one.

    Raises:
        PapersUnusable: the snapshot cannot be converted; it stays the live one.
    """
    before = find_manifest(settings, None)
    if has_present_rules(before):
        say(f"{before.id} follows the present rules: nothing to convert. Give a SOURCE to add or replace papers.")
        return before
    started = time.monotonic()
    with cli_errors():
        manifest = run_with_encoder(
            settings,
            lambda encoder, progress: update_snapshot(
                ChangedPapers((), before.source),
                encoder,
                settings.data,
                options=BuildOptions(use=False),
                progress=progress,
            ),
            say=say,
            bar=bar,
        )
        keep_map(settings.data, before, manifest, say)
        make_live(settings, manifest.id, say)
    say(f"{before.id} is converted: {manifest.embedded:,} texts embedded; {time.monotonic() - started:.1f} s")
    say(f"{manifest.papers:,} papers in snapshot {manifest.id}, which is live")
    return manifest


def tune_index(
    settings: Settings, snapshot: str | None, wanted: TuneOptions, *, use: bool, say: Say, bar: ShowProgress
) -> Manifest:
    """Choose the index of a snapshot by measurement and publish a snapshot with it; make that the live one if `use`.

    Raises:
        PapersUnusable: there is no such snapshot, or it cannot be tuned.
    """
    base = find_manifest(settings, snapshot)
    with cli_errors():
        require_whole(base)
        manifest = run_with_encoder(
            settings,
            lambda encoder, progress: tune_snapshot(wanted, encoder, settings.data, base=base.id, progress=progress),
            say=say,
            bar=bar,
        )
        keep_map(settings.data, base, manifest, say)
        if use:
            make_live(settings, manifest.id, say)
    say(f"snapshot {manifest.id} is {'live' if use else 'published'}")
    return manifest


def harvest_start(settings: Settings, manifest: Manifest) -> str:
    """Return the day from which a snapshot lacks arXiv's changes.

    Raises:
        PapersUnusable: the manifest names no day, and no paper has one.
    """
    if manifest.harvested:
        return manifest.harvested
    # A file of metadata is no older than its newest paper.
    with cli_errors():
        newest = newest_day(SnapshotDirectory(settings.data).path(manifest.id) / CATALOGUE)
    if newest is None:
        raise PapersUnusable(
            f"the papers of {manifest.id} have no days: harvest with akin papers fetch oai --from DAY."
        )
    return newest.isoformat()


def rejects_path(settings: Settings, name: str) -> Path:
    """Return the file for a source's bad records, and create its folder.

    Raises:
        PapersUnusable: the folder cannot be created.
    """
    path = settings.data / "rejects" / f"{name}.jsonl"
    with cli_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def run_with_encoder(
    settings: Settings,
    work: Callable[[Encoder, OnProgress], Awaitable[Manifest]],
    *,
    say: Say,
    bar: ShowProgress,
) -> Manifest:
    """Run a build with the promoted encoder, which Triton serves, and return its result; record how it ends."""

    async def build(encoder: Encoder) -> Manifest:
        with bar() as progress:
            return await work(encoder, progress)

    with record_build(settings.data):
        return use_encoder(settings, build, say=say)


def use_encoder(settings: Settings, work: Callable[[Encoder], Awaitable[_Result]], *, say: Say) -> _Result:
    """Run work with the promoted encoder, which Triton serves, and return its result."""
    with encoder_server(settings, say) as (url, version):

        async def run() -> _Result:
            triton = TritonConnection(url, version=version.number, repository=settings.repository)
            try:
                return await work(await triton.find())
            finally:
                await triton.close()

        return asyncio.run(run())
