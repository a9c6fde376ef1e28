"""`akin index update | tune | verify | prune`: keeping an index fresh, fast, whole and small."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from akin.cli.corpus import corpus_path
from akin.cli.index import bar, connected, described, described_curve, manifest_of, rejects_of, source_name, words
from akin.cli.output import Json, print_json, say, stdout
from akin.cli.papers import HARVESTS, harvest_of, run_harvest
from akin.cli.recall_chart import NEEDS_PLOTS, write_recall_chart
from akin.errors import PapersUnusable
from akin.registry.switch import make_live
from akin.settings import Settings
from akin.stack.lifecycle import encoder_server
from indexing.changes import ChangedPapers
from indexing.faiss_recipe import Recipe, parse_recipe
from indexing.options import ROWS_TO_CHECK, BuildOptions
from indexing.tune import TuneOptions, tune_snapshot
from indexing.update import update_snapshot
from indexing.verify import RowCheck, check_rows, measure_recall
from papers import read_papers
from papers.remote import ARXIV
from retrieval_service.adapters.sqlite_catalogue import newest_day
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import CATALOGUE, CurvePoint, IndexRecord, Manifest
from retrieval_service.corpus.snapshot import verify_snapshot
from retrieval_service.errors import EmbeddingsMissing

MAY_LACK = 0.05
"""The share of the papers that an update withdraws, without being told to, because a complete source lacks them."""


def add_to(app: typer.Typer) -> None:
    """Gives the commands to the application."""
    app.command()(update)
    app.command()(tune)
    app.command()(verify)
    app.command()(prune)


def update(
    source: Annotated[
        str, typer.Argument(help="A file of new and changed papers, or `oai`: harvest arXiv's changes first.")
    ],
    fields: Annotated[
        str | None,
        typer.Option("--map", help="For JSON lines or CSV of other fields: id=_id,title=title,abstract=text"),
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="The file is the whole corpus: withdraw what it does not hold.")
    ] = False,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="With --complete: withdraw more than 5 % of the papers, too.")
    ] = False,
    withdraw: Annotated[Path | None, typer.Option(help="A file of ids to withdraw, one a line.")] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first bad record instead of setting it aside.")] = False,
    url: Annotated[
        str | None,
        typer.Option(
            help="With `oai`: the repository, which speaks arXivRaw. Default: the one the snapshot is of, or arXiv's."
        ),
    ] = None,
    pause: Annotated[float, typer.Option(min=0.0, help="With `oai`: seconds between two requests.")] = 3.0,
    json: Json = False,
) -> None:
    """Add, replace and withdraw papers: a new snapshot is made of the live one and the changes, and made live.

    Only texts that are new are embedded. The old snapshot stays until it is pruned.
    """
    settings = Settings.read()
    before = manifest_of(settings, None)
    if source == "oai":
        folder = settings.data / "corpora" / HARVESTS
        since, address = _since(settings, before), url or before.repository or ARXIV
        path = folder / run_harvest(folder, since, url=address, subset=before.subset, pause=pause).file
    else:
        path = corpus_path(settings, source)
    may_lack = None if not complete else 1.0 if allow_shrink else MAY_LACK
    after = _updated(settings, before.id, path, source_name(source, path), fields, may_lack, _ids(withdraw), strict)
    if json:
        print_json(described(after, live=True))


def tune(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    recall: Annotated[float, typer.Option(min=0.01, max=1.0, help="The recall@10 to meet.")] = 0.95,
    memory: Annotated[float | None, typer.Option(min=0.0, help="The megabytes the index may take.")] = None,
    recipe: Annotated[
        list[str] | None, typer.Option(help="Measure this recipe of FAISS's index factory; may be repeated.")
    ] = None,
    queries: Annotated[Path | None, typer.Option(help="Real queries, one a line. Default: papers' titles.")] = None,
    plot: Annotated[Path | None, typer.Option(help="The SVG. Default: data/tuning/<snapshot>.svg.")] = None,
    use: Annotated[bool, typer.Option(help="Make the new snapshot the live one.")] = True,
    json: Json = False,
) -> None:
    """Measure ways to index the papers against exact search, and serve the cheapest that finds enough.

    Makes a new snapshot with the chosen index and everything measured in its manifest; embeds no paper.
    """
    settings = Settings.read()
    base = manifest_of(settings, snapshot)
    wanted = TuneOptions(recall, memory, _recipes(recipe), _lines(queries), use=False)
    with words(), encoder_server(settings, say) as (address, version), bar() as shown:

        async def run() -> Manifest:
            async with connected(settings, address, version.number) as encoder:
                return await tune_snapshot(wanted, encoder, settings.data, base=base.id, progress=shown)

        manifest = asyncio.run(run())
    if use:
        with words():
            make_live(settings, manifest.id, say)
    say(f"snapshot {manifest.id} is {'live' if use else 'published'}")
    index = manifest.index
    path = plot or settings.data / "tuning" / f"{manifest.id}.svg"
    with words():
        drawn = write_recall_chart(path, index.curve, _chosen(index), recall)
    if not drawn:
        say(NEEDS_PLOTS)
    if json:
        print_json({**described(manifest, live=use), "plot": str(path) if drawn else None})
        return
    for line in described_curve(index):
        stdout.print(f"  {line}", markup=False)
    say(f"{index.recipe}, nprobe {index.nprobe or '-'}: {index.why}" + (f"; the curves: {path}" if drawn else ""))


def verify(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    recall: Annotated[bool, typer.Option(help="Also measure the index against exact search.")] = True,
    queries: Annotated[int, typer.Option(min=1, help="Papers to ask with, each without itself.")] = 256,
    rows: Annotated[
        str, typer.Option(help="How many rows to compare with their papers' texts and embeddings, or `all`.")
    ] = str(ROWS_TO_CHECK),
    json: Json = False,
) -> None:
    """Check a snapshot: files against published digests, rows against their own texts, its index against exact search.

    A row's text must have the row's digest, and its vector must be the stored embedding of that text.
    """
    wanted = _rows(rows)
    settings = Settings.read()
    manifest = manifest_of(settings, snapshot)
    directory = SnapshotDirectory(settings.data).path(manifest.id)
    with words():
        damage = verify_snapshot(directory)
    unproven = False
    result: dict[str, object] = {"snapshot": manifest.id}
    if not damage:
        say(f"{manifest.id}: {len(manifest.files)} files are as published")
        with words():
            compared = check_rows(directory, settings.data, rows=wanted)
        damage = compared.damage
        say(_compared(compared))
        unproven = compared.unproven
        if compared.texts or compared.vectors or unproven:
            result["rows"] = {"all": compared.papers, "texts": compared.texts, "vectors": compared.vectors}
            result["not_compared"] = compared.not_compared
        if unproven:
            say(f"{manifest.id}: no row's vector could be compared, so it cannot be called whole")
    result["damage"] = [problem.detail for problem in damage]
    for problem in damage:
        say(str(problem))
    if recall and not damage:
        result |= _recall(directory, settings.data, queries)
    if json:
        print_json(result)
    if damage or unproven:
        raise typer.Exit(6)


def _recall(directory: Path, data: Path, queries: int) -> dict[str, object]:
    """Measure recall and say it; return it for programs, or nothing where embeddings that it takes are missing."""
    try:
        with words():
            found = measure_recall(directory, data, queries=queries)
    except PapersUnusable as error:
        if not isinstance(error.__cause__, EmbeddingsMissing):
            raise
        say(f"recall was not measured: {error}")
        return {}
    published = f"; published {found.published:.3f}, with other queries" if found.published is not None else ""
    say(
        f"recall@10 {found.recall_at_10:.3f} against exact search, {found.ms:.2f} ms a query "
        f"({found.queries:,} of its own papers, each without itself{published})"
    )
    return {"recall_at_10": found.recall_at_10, "ms": found.ms}


def prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest snapshots to keep.")] = 2,
    json: Json = False,
) -> None:
    """Remove all but the newest snapshots, never the live one nor one that is in use; their embeddings stay."""
    snapshots = SnapshotDirectory(Settings.read().data)
    in_use: list[str] = []
    with words():
        removed = snapshots.prune(keep, in_use=in_use.append)
    for name in removed:
        say(f"removed {name}")
    for name in in_use:
        say(f"kept {name}: it is in use, by a service that has not gone over to the live one or by another command")
    say(f"{len(removed):,} removed, {len(snapshots.ids()):,} kept")
    if json:
        print_json({"removed": removed, "kept": snapshots.ids(), "in_use": in_use})


def _compared(found: RowCheck) -> str:
    """Return what was compared, for people."""
    of = f"of {found.papers:,} rows, {found.texts:,} were compared with their papers' texts and {found.vectors:,} with "
    return f"{of}the stored embeddings of these" + "".join(f"; {why}" for why in found.not_compared)


def _rows(given: str) -> int | None:
    if given == "all":
        return None
    if not given.isdecimal() or int(given) < 1:
        raise PapersUnusable(f"--rows {given}: give a number of rows, or `all`.")
    return int(given)


def _updated(
    settings: Settings,
    before: str,
    path: Path,
    name: str,
    fields: str | None,
    may_lack: float | None,
    withdrawn: tuple[str, ...],
    strict: bool,
) -> Manifest:
    rejects = rejects_of(settings, name)
    started = time.monotonic()
    empty = path.is_file() and path.stat().st_size == 0  # what a harvest that found nothing leaves
    with ExitStack() as stack:
        reader = None if empty else stack.enter_context(read_papers(path, fields, strict=strict, rejects=rejects))
        harvest, complete = harvest_of(path), may_lack is not None
        changes = ChangedPapers(reader or (), name, complete, withdrawn, harvest, 1.0 if may_lack is None else may_lack)
        stack.enter_context(words())
        address, version = stack.enter_context(encoder_server(settings, say))
        shown = stack.enter_context(bar())

        async def run() -> Manifest:
            async with connected(settings, address, version.number) as encoder:
                options = BuildOptions(use=False)
                return await update_snapshot(changes, encoder, settings.data, options=options, progress=shown)

        manifest = asyncio.run(run())
    if manifest.id != before:
        with words():
            make_live(settings, manifest.id, say)
    if manifest.id != before and manifest.rejected:
        say(f"{sum(manifest.rejected.values()):,} records were set aside: see {rejects}")
    elif reader is not None and reader.report.rejected_total:
        say(f"{reader.report.rejected_total:,} records were set aside: see {rejects}")
    change = manifest.change
    if change is None or manifest.id == before:
        say(f"nothing in {name} is new; {manifest.id} stays live")
    else:
        say(
            f"{change.added:,} added, {change.replaced:,} replaced, {change.withdrawn:,} withdrawn, "
            f"{change.unchanged:,} as they were; {manifest.embedded:,} texts embedded; "
            f"{time.monotonic() - started:.1f} s"
        )
        say(f"{manifest.papers:,} papers in snapshot {manifest.id}, which is live")
        if change.kept:
            say(
                f"{change.kept:,} papers that {name} does not hold stay, as some of its records cannot be read and may "
                "be theirs: mend these, or name what is to go in a file for --withdraw"
            )
        if change.unclaimed:
            upto = f"stays {manifest.harvested}" if manifest.harvested else "stays unknown"
            say(f"the day up to which it has arXiv's changes {upto}: {change.unclaimed}")
    return manifest


def _since(settings: Settings, manifest: Manifest) -> str:
    """The day from which the live snapshot lacks arXiv's changes."""
    if manifest.harvested:
        return manifest.harvested
    # A file of metadata is no older than its newest paper.
    with words():
        newest = newest_day(SnapshotDirectory(settings.data).path(manifest.id) / CATALOGUE)
    if newest is None:
        raise PapersUnusable(
            f"the papers of {manifest.id} have no days: harvest with akin papers fetch oai --from DAY."
        )
    return newest.isoformat()


def _chosen(index: IndexRecord) -> CurvePoint:
    """The point that serves."""
    serving = (index.recipe, index.nprobe or 0, index.k_factor)
    return next(point for point in index.curve if (point.recipe, point.nprobe, point.k_factor) == serving)


def _recipes(given: list[str] | None) -> tuple[Recipe, ...] | None:
    try:
        return tuple(parse_recipe(text) for text in given) if given else None
    except ValueError as error:
        raise PapersUnusable(f"--recipe: {error}.") from error


def _lines(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    found = tuple(line for line in map(str.strip, _read(path).splitlines()) if line)
    if not found:
        raise PapersUnusable(f"{path}: holds no query.")
    return found


def _ids(path: Path | None) -> tuple[str, ...]:
    return tuple(_read(path).split()) if path is not None else ()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PapersUnusable(f"{path}: cannot be read ({error}).") from error
