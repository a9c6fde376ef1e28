"""Define `akin index build | list | info | use`; the other commands of the group are in `index_maintenance`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.corpus import corpus_path
from akin.cli.output import Json, print_json, print_table, say
from akin.cli.papers import harvest_of
from akin.errors import PapersUnusable

if TYPE_CHECKING:
    from akin.indexing.options import Progress
    from akin.snapshots import IndexSource
    from akin.stack_settings import Settings
    from retrieval_service.corpus.manifest import CurvePoint, IndexRecord, Manifest

app = typer.Typer(no_args_is_help=True, help="Snapshots of papers: build them, look at them, choose the live one.")

STAGES = {
    "read": "reading",
    "references": "reading",
    "sort": "sorting",
    "copy": "copying",
    "embed": "embedding",
    "index": "indexing",
    "tune": "tuning",
    "publish": "publishing",
}


@app.command()
def build(
    source: Annotated[
        str, typer.Argument(help="A file of papers or a library (.bib, .ris), plain or .gz, or the word `sample`.")
    ],
    fields: Annotated[
        str | None,
        typer.Option("--map", help="For JSON lines or CSV of other fields: id=_id,title=title,abstract=text"),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first bad record instead of setting it aside.")] = False,
    if_none: Annotated[
        bool, typer.Option("--if-none", help="Only if nothing is indexed yet; convert what an earlier release indexed.")
    ] = False,
    recall: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="The recall@10 to reach if the index is not exact.")
    ] = 0.95,
    memory: Annotated[float | None, typer.Option(min=0.0, help="Most megabytes for the vector index.")] = None,
    steps: Annotated[
        str,
        typer.Option(
            help="Make partial snapshots live: one without vectors, then at these percentages of papers with vectors, "
            "such as 1,5,20. `auto`: for large corpora. `none`: never."
        ),
    ] = "auto",
    word_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rank words by the weights of a learned sparse model instead of BM25: JSON lines of id and weights.",
        ),
    ] = None,
    embeddings: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Vectors that akin embed made; papers that it has are not embedded again."),
    ] = None,
    json: Json = False,
) -> None:
    """Index papers: embed them, build a snapshot, publish it and make it live.

    A large corpus can be searched by words as soon as its records are read; vectors follow, the newest papers first.
    Bad records are counted and written to data/rejects/, with their line and the reason; the rest is indexed.
    """
    from akin.indexing.update import has_present_rules
    from akin.partial_snapshots import complete_index
    from akin.snapshots import convert_index, find_usable_manifest
    from akin.stack_settings import Settings

    shares = parse_steps(steps)
    settings = Settings.read()
    manifest = find_usable_manifest(settings, say) if if_none else None
    if manifest and manifest.partial:
        manifest = complete_index(settings, say=say, bar=progress_bar)
    if manifest and not has_present_rules(manifest):
        manifest = convert_index(settings, say=say, bar=progress_bar)
    manifest = manifest or build_index(
        settings,
        source,
        fields,
        strict,
        recall_target=recall,
        memory_mb=memory,
        steps=shares,
        word_weights=word_weights,
        embeddings=embeddings,
    )
    if json:
        print_json(manifest_as_json(manifest, live=True))
    say_where(settings, "", "the page")


def say_where(settings: Settings, path: str, what: str) -> None:
    """Say where a part of the page is, or how to start it."""
    if settings.triton_url:
        return  # containers are started otherwise
    from akin.stack.record import find_running_stack

    runs = find_running_stack(settings) is not None
    say(f"{what}: {settings.ui_url}/{path}" if runs else f"{what} is started with: akin up")


@app.command("list")
def list_snapshots(json: Json = False) -> None:
    """List the snapshots, the newest first."""
    from akin.snapshots import cli_errors
    from akin.stack_settings import Settings
    from retrieval_service.corpus.directory import SnapshotDirectory

    with cli_errors():
        snapshots = SnapshotDirectory(Settings.read().data)
        live, found = snapshots.current(), snapshots.manifests()
    if json:
        print_json([manifest_as_json(manifest, live=manifest.id == live) for manifest in found])
        return
    partial = any(manifest.partial for manifest in found)
    columns = ["snapshot", "live", "papers", *["vectors"] * partial, "source", "index", "encoder", "created"]
    rows = [
        (
            manifest.id,
            "yes" if manifest.id == live else "",
            f"{manifest.papers:,}",
            *[f"{manifest.with_vectors:,}" if manifest.partial else "all"] * partial,
            manifest.source,
            manifest.index.recipe,
            f"{manifest.encoder.version} ({manifest.encoder.digest[:12]})",
            f"{manifest.created:%Y-%m-%d %H:%M}",
        )
        for manifest in found
    ]
    if rows:
        print_table(columns, rows)
    else:
        print("no snapshots yet; make the first with: akin index build sample")


@app.command()
def info(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    json: Json = False,
) -> None:
    """Describe a snapshot: papers, encoder, index, and measurements of the index."""
    from akin.snapshots import find_manifest
    from akin.stack_settings import Settings
    from retrieval_service.corpus.directory import SnapshotDirectory

    settings = Settings.read()
    manifest = find_manifest(settings, snapshot)
    live = SnapshotDirectory(settings.data).current() == manifest.id
    if json:
        print_json(manifest_as_json(manifest, live=live))
        return
    for name, value in _info_rows(manifest, live=live).items():
        print(f"{name:<10} {value}")
    for line in format_curve(manifest.index):
        print(f"  {line}")


@app.command()
def use(snapshot: Annotated[str, typer.Argument(help="A snapshot's id.")]) -> None:
    """Make a snapshot the live one, if it is whole; a running service changes over without failing a request."""
    from akin.snapshots import use_snapshot
    from akin.stack_settings import Settings

    use_snapshot(Settings.read(), snapshot, say)
    say(f"{snapshot} is live")


def parse_steps(given: str) -> tuple[float, ...] | None:
    """Return the shares that `--steps` names; None for `auto`, nothing for `none`.

    Raises:
        PapersUnusable: it names something else.
    """
    if given in ("auto", "none"):
        return None if given == "auto" else ()
    try:
        shares = tuple(float(part) / 100 for part in given.split(","))
    except ValueError:
        shares = ()
    if not shares or not all(0 < share < 1 for share in shares):
        raise PapersUnusable(f"--steps {given}: give auto, none, or percentages above 0 and below 100, such as 1,5,20.")
    return shares


def build_if_needed(settings: Settings, source: str) -> None:
    """Build, unless the live snapshot is of this source, the promoted encoder and the present text analysis."""
    from akin.snapshots import find_current_manifest

    if live := find_current_manifest(settings, index_source(settings, source).name):
        say(f"{live.papers:,} papers of {live.source} are indexed (to index them again: akin index build {source})")
    else:
        build_index(settings, source)


def build_index(
    settings: Settings, source: str, fields: str | None = None, strict: bool = False, **options: Any
) -> Manifest:
    """Build a snapshot from SOURCE and make it the live one; show the progress.

    Raises:
        PapersError: The source cannot be read.
        PapersUnusable: It cannot be indexed; the live snapshot stays the same.
    """
    from akin import snapshots
    from akin.indexing.options import BuildOptions

    options.setdefault("steps", None)
    papers = index_source(settings, source, fields, strict)
    return snapshots.build_index(settings, papers, BuildOptions(use=False, **options), say=say, bar=progress_bar)


def index_source(settings: Settings, source: str, fields: str | None = None, strict: bool = False) -> IndexSource:
    """Return the file that SOURCE names, with the options to read it; fetch the sample papers if needed."""
    from akin.snapshots import IndexSource

    path = corpus_path(settings, source)
    return IndexSource(path, "sample" if source == "sample" else path.name, fields, strict, harvest_of(path))


def manifest_as_json(manifest: Manifest, *, live: bool) -> dict[str, Any]:
    """Return a manifest for programs."""
    import msgspec

    return {**msgspec.to_builtins(manifest), "live": live}


def _papers(manifest: Manifest) -> str:
    """Return the number of papers, and how many of them have vectors if not all do."""
    if not manifest.partial:
        return f"{manifest.papers:,}"
    return f"{manifest.papers:,} ({manifest.with_vectors:,} with vectors)"


def _info_rows(manifest: Manifest, *, live: bool) -> dict[str, str]:
    index, encoder = manifest.index, manifest.encoder
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in manifest.rejected.items()) or "none"
    rows = {
        "snapshot": f"{manifest.id}{' (live)' if live else ''}",
        "papers": f"{_papers(manifest)} from {manifest.source}",
        "rejected": rejected,
        "encoder": f"version {encoder.version}, {encoder.dim} dimensions, {encoder.digest[:12]}",
        "index": f"{index.recipe}: {index.why}",
        "size": f"{sum(file.bytes for file in manifest.files.values()) / 1e6:,.1f} MB in {len(manifest.files)} files",
        "created": f"{manifest.created:%Y-%m-%d %H:%M:%S}",
    }
    if manifest.partial:
        rows["partial"] = "some papers have no vector yet; complete it with: akin index update, without a source"
    if change := manifest.change:
        rows["change"] = (
            f"{change.added:,} added, {change.replaced:,} replaced, {change.withdrawn:,} withdrawn by {change.source}; "
            f"{f'{change.older:,} of an older version left out; ' if change.older else ''}made from {change.base}"
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
    return rows


def format_curve(index: IndexRecord) -> list[str]:
    """Return a line for each measured point; of several recipes only their last points, as the manifest has all."""
    last: dict[object, CurvePoint] = {}
    lines = []
    for number, point in enumerate(index.curve):
        last[(point.recipe, point.k_factor) if point.recipe else number] = point
    for point in index.curve:
        own = point.recipe in ("", index.recipe)
        refined = not point.recipe or point.k_factor == index.k_factor
        serves = own and refined and point.nprobe == (index.nprobe or 0)
        if serves or point in last.values():
            lines.append(_format_point(point, index.recipe) + (" <- serves" if serves else ""))
    return lines


def _format_point(point: CurvePoint, recipe: str) -> str:
    of = f"{point.recipe:<32} {point.memory_mb:>8,.1f} MB  " if point.recipe else ""
    refined = f"k_factor {point.k_factor:>2g}  " if "Refine" in (point.recipe or recipe) else ""
    return f"{of}nprobe {point.nprobe:>5}  {refined}recall@10 {point.recall_at_10:.3f}  {point.ms:.2f} ms"


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Show a progress bar with the rate and the remaining time; yield the function that moves it."""
    from rich import progress as rich

    from akin.cli.output import stderr

    columns = (
        rich.TextColumn("{task.description:<10}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bars:
        task = bars.add_task("embedding", total=None, rate="")
        first, stage = time.monotonic(), ""

        def show(progress: Progress) -> None:
            nonlocal first, stage
            if progress.stage != stage:
                first, stage = time.monotonic(), progress.stage
            rate = f"{progress.done / max(time.monotonic() - first, 0.1):,.0f}/s" if stage in ("read", "embed") else ""
            bars.update(
                task,
                description=progress.note or STAGES.get(progress.stage, progress.stage),
                completed=progress.done,
                total=progress.total,
                rate=rate,
            )

        yield show
