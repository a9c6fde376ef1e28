"""`akin index build | list | info | use`; what keeps an index up is in `upkeep`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from akin.cli.corpus import corpus_path
from akin.cli.output import Json, print_json, say, stderr, stdout
from akin.cli.papers import harvest_of
from akin.errors import EncoderError, PapersUnusable
from akin.registry import versions
from akin.registry.switch import make_live
from akin.settings import Settings
from akin.stack.lifecycle import encoder_server
from akin.stack.wait import wait_for
from indexing.build import build_snapshot
from indexing.options import BuildOptions, Progress
from papers import PaperReader, read_papers
from papers.remote import Harvest
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.adapters.triton import TritonConnection
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import CurvePoint, IndexRecord, Manifest, read_manifest
from retrieval_service.corpus.snapshot import verify_snapshot
from retrieval_service.errors import RetrievalError as RetrievalError
from retrieval_service.ports import Encoder

app = typer.Typer(no_args_is_help=True, help="Snapshots of papers: build them, look at them, choose the live one.")

_USUAL = BuildOptions(use=False)

STAGES = {
    "copy": "copying",
    "embed": "embedding",
    "index": "indexing",
    "tune": "tuning",
    "publish": "publishing",
}


@app.command()
def build(
    source: Annotated[str, typer.Argument(help="A file of papers, plain or .gz, or the word `sample`.")],
    fields: Annotated[
        str | None,
        typer.Option("--map", help="For JSON lines or CSV of other fields: id=_id,title=title,abstract=text"),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first bad record instead of setting it aside.")] = False,
    if_none: Annotated[bool, typer.Option("--if-none", help="Only where nothing is indexed yet.")] = False,
    recall: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="The recall@10 to meet where the index is not exact.")
    ] = BuildOptions.recall_target,
    memory: Annotated[float | None, typer.Option(min=0.0, help="The megabytes the vector index may take.")] = None,
    json: Json = False,
) -> None:
    """Index papers: embed them, build a snapshot, publish it and make it live.

    Bad records are counted and written to data/rejects/, with their line and the reason; the rest is indexed.
    """
    settings = Settings.read()
    options = BuildOptions(recall_target=recall, memory_mb=memory, use=False)
    manifest = usable_snapshot(settings) if if_none else None
    manifest = manifest or build_index(settings, source, fields, strict, options)
    if json:
        print_json(described(manifest, live=True))


@app.command("list")
def list_snapshots(json: Json = False) -> None:
    """List the snapshots, the newest first."""
    with words():
        snapshots = SnapshotDirectory(Settings.read().data)
        live, found = snapshots.current(), snapshots.manifests()
    if json:
        print_json([described(manifest, live=manifest.id == live) for manifest in found])
        return
    table = Table("snapshot", "live", "papers", "source", "index", "encoder", "created", box=None)
    for manifest in found:
        table.add_row(
            manifest.id,
            "yes" if manifest.id == live else "",
            f"{manifest.papers:,}",
            manifest.source,
            manifest.index.recipe,
            f"{manifest.encoder.version} ({manifest.encoder.digest[:12]})",
            f"{manifest.created:%Y-%m-%d %H:%M}",
        )
    stdout.print(table if found else "no snapshots yet; make the first with: akin index build sample")


@app.command()
def info(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    json: Json = False,
) -> None:
    """Describe a snapshot: what it was made of and how, and what its index was measured to find."""
    manifest = manifest_of(Settings.read(), snapshot)
    live = SnapshotDirectory(Settings.read().data).current() == manifest.id
    if json:
        print_json(described(manifest, live=live))
        return
    index, encoder = manifest.index, manifest.encoder
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in manifest.rejected.items()) or "none"
    rows = {
        "snapshot": f"{manifest.id}{' (live)' if live else ''}",
        "papers": f"{manifest.papers:,} from {manifest.source}",
        "rejected": rejected,
        "encoder": f"version {encoder.version}, {encoder.dim} dimensions, {encoder.digest[:12]}",
        "index": f"{index.recipe}: {index.why}",
        "size": f"{sum(file.bytes for file in manifest.files.values()) / 1e6:,.1f} MB in {len(manifest.files)} files",
        "created": f"{manifest.created:%Y-%m-%d %H:%M:%S}",
    }
    if change := manifest.change:
        rows["change"] = (
            f"{change.added:,} added, {change.replaced:,} replaced, {change.withdrawn:,} withdrawn by {change.source}; "
            f"made from {change.base}"
        )
    if manifest.harvested:
        rows["harvested"] = f"arXiv's changes up to {manifest.harvested}" + (
            f", set {manifest.subset}" if manifest.subset else ""
        )
        if manifest.repository:
            rows["harvested"] += f", of {manifest.repository}"
    if change and change.unclaimed:
        rows["unclaimed"] = change.unclaimed
    if index.curve:
        rows["measured"] = f"with {index.queries or 'titles of papers'}"
    for name, value in rows.items():
        stdout.print(f"{name:<10} {value}", markup=False)
    for line in described_curve(index):
        stdout.print(f"  {line}", markup=False)


def described_curve(index: IndexRecord) -> list[str]:
    """What was measured, for people; of several recipes only where each ended: the whole is in the manifest."""
    last: dict[object, CurvePoint] = {}
    lines = []
    for number, point in enumerate(index.curve):
        last[(point.recipe, point.k_factor) if point.recipe else number] = point
    for point in index.curve:
        own = point.recipe in ("", index.recipe)
        refined = not point.recipe or point.k_factor == index.k_factor
        serves = own and refined and point.nprobe == (index.nprobe or 0)
        if serves or point in last.values():
            lines.append(described_point(point, index.recipe) + (" <- serves" if serves else ""))
    return lines


def described_point(point: CurvePoint, recipe: str) -> str:
    """One measured point for people."""
    of = f"{point.recipe:<32} {point.memory_mb:>8,.1f} MB  " if point.recipe else ""
    refined = f"k_factor {point.k_factor:>2g}  " if "Refine" in (point.recipe or recipe) else ""
    return f"{of}nprobe {point.nprobe:>5}  {refined}recall@10 {point.recall_at_10:.3f}  {point.ms:.2f} ms"


@app.command()
def use(snapshot: Annotated[str, typer.Argument(help="A snapshot's id.")]) -> None:
    """Make a snapshot the live one, if it is whole; a running service changes over without failing a request."""
    settings = Settings.read()
    with words():
        for damage in verify_snapshot(SnapshotDirectory(settings.data).path(snapshot)):
            raise damage
        make_live(settings, snapshot, say)
    say(f"{snapshot} is live")


def usable_snapshot(settings: Settings) -> Manifest | None:
    """The live snapshot, whatever it is of; None where there is none.

    Raises:
        EncoderError: It was made by another encoder than the promoted one, so that it cannot be searched.
    """
    with words():
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


def build_if_needed(settings: Settings, source: str) -> None:
    """Builds, unless the live snapshot is of this source, of the promoted encoder and of today's text analysis."""
    path = corpus_path(settings, source)
    with words():
        snapshots = SnapshotDirectory(settings.data)
        current = snapshots.current()
        live = next((manifest for manifest in snapshots.manifests() if manifest.id == current), None)
    encoder = versions.promoted_version(settings.repository)
    wanted = (source_name(source, path), encoder.digest, ANALYSIS_VERSION)
    if live and (live.source, live.encoder.digest, live.analysis_version) == wanted:
        say(f"{live.papers:,} papers of {live.source} are indexed (again, after a change: akin index build {source})")
    else:
        build_index(settings, source)


def build_index(
    settings: Settings,
    source: str,
    fields: str | None = None,
    strict: bool = False,
    options: BuildOptions = _USUAL,
) -> Manifest:
    """Builds a snapshot with the running stack's encoder, or with one started for this.

    Raises:
        PapersError: The source cannot be read.
        PapersUnusable: It cannot be indexed; the live snapshot is as it was.
    """
    path = corpus_path(settings, source)
    name = source_name(source, path)
    rejects = rejects_of(settings, name)
    with read_papers(path, fields, strict=strict, rejects=rejects) as reader, words():
        with encoder_server(settings, say) as (url, version), bar() as shown:
            started = time.monotonic()
            work = run_build(settings, reader, url, version.number, name, shown, options, harvest_of(path))
            manifest = asyncio.run(work)
        make_live(settings, manifest.id, say)
        report(reader, rejects, manifest, time.monotonic() - started)
    return manifest


async def run_build(
    settings: Settings,
    reader: PaperReader,
    url: str,
    version: int,
    name: str,
    shown: Callable[[Progress], None],
    options: BuildOptions,
    harvest: Harvest | None = None,
) -> Manifest:
    """The build itself, with its connection to Triton."""
    async with connected(settings, url, version) as encoder:
        return await build_snapshot(
            reader, encoder, settings.data, source_name=name, options=options, progress=shown, harvest=harvest
        )


@asynccontextmanager
async def connected(settings: Settings, url: str, version: int) -> AsyncIterator[Encoder]:
    """A version of the encoder that Triton serves."""
    triton = TritonConnection(url, version=version, repository=settings.repository)
    try:
        yield await triton.find()
    finally:
        await triton.close()


def source_name(source: str, path: Path) -> str:
    """What a snapshot calls its source: no path of one's machine, as the page shows it."""
    return "sample" if source == "sample" else path.name


def rejects_of(settings: Settings, name: str) -> Path:
    """The file for a source's bad records; its folder is made.

    Raises:
        PapersUnusable: It cannot be.
    """
    path = settings.data / "rejects" / f"{name}.jsonl"
    with words():
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def report(reader: PaperReader, rejects: Path, manifest: Manifest, seconds: float) -> None:
    """Says what came of a build."""
    if reader.report.rejected_total:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in reader.report.rejected.most_common())
        say(f"{reader.report.rejected_total:,} records were set aside ({reasons}): see {rejects}")
    say(
        f"{manifest.papers:,} papers indexed in {seconds:.1f} s ({manifest.embedded:,} embedded, the rest known); "
        f"snapshot {manifest.id} is live"
    )


def manifest_of(settings: Settings, snapshot: str | None) -> Manifest:
    """The manifest of a snapshot, or of the live one.

    Raises:
        PapersUnusable: There is none.
    """
    with words():
        snapshots = SnapshotDirectory(settings.data)
        name = snapshot or snapshots.current()
        if name is None:
            raise PapersUnusable("nothing is indexed yet; make the first snapshot with: akin index build sample")
        return read_manifest(snapshots.path(name))


def described(manifest: Manifest, *, live: bool) -> dict[str, Any]:
    """A manifest for programs."""
    return {**msgspec.to_builtins(manifest), "live": live}


@contextmanager
def words() -> Iterator[None]:
    """Tells what the service's library, or the disk, raises as everything is told: in one line, with an exit code."""
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


@contextmanager
def bar() -> Iterator[Callable[[Progress], None]]:
    """A progress bar with the rate and the time that remains."""
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    with Bar(*columns, TimeRemainingColumn(), console=stderr, transient=not stderr.is_terminal) as bars:
        task = bars.add_task("embedding", total=None, rate="")
        first = time.monotonic()

        def show(progress: Progress) -> None:
            rate = f"{progress.done / max(time.monotonic() - first, 0.1):,.0f}/s" if progress.stage == "embed" else ""
            bars.update(
                task,
                description=progress.note or STAGES.get(progress.stage, progress.stage),
                completed=progress.done,
                total=progress.total,
                rate=rate,
            )

        yield show
