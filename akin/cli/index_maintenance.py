"""Define `akin index update | tune | verify | prune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.index import format_curve, index_source, manifest_as_json, progress_bar
from akin.cli.output import Json, print_json, say
from akin.cli.papers import harvest_changes
from akin.errors import PapersUnusable

if TYPE_CHECKING:
    from akin.indexing.faiss_recipe import Recipe
    from retrieval_service.corpus.manifest import CurvePoint, IndexRecord


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group `akin index`."""
    app.command()(update)
    app.command()(tune)
    app.command()(verify)
    app.command()(prune)


def update(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A file of new and changed papers, or `oai`: harvest arXiv's changes first. Without it, complete a "
            "partial live snapshot, or convert that of an earlier release."
        ),
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option("--map", help="For JSON lines or CSV of other fields: id=_id,title=title,abstract=text"),
    ] = None,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="The file is the whole corpus: withdraw papers that it does not hold."),
    ] = False,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="With --complete: withdraw even more than 5 % of the papers.")
    ] = False,
    withdraw: Annotated[Path | None, typer.Option(help="A file of ids to withdraw, one a line.")] = None,
    remove_deleted: Annotated[
        bool,
        typer.Option(
            "--remove-deleted", help="Remove papers that the source deletes; default: mark them as withdrawn."
        ),
    ] = False,
    strict: Annotated[bool, typer.Option(help="Stop at the first bad record instead of setting it aside.")] = False,
    url: Annotated[
        str | None,
        typer.Option(
            help="With `oai`: address of a repository with arXivRaw. Default: the snapshot's repository, or arXiv's."
        ),
    ] = None,
    pause: Annotated[float, typer.Option(min=0.0, max=3600, help="With `oai`: seconds between two requests.")] = 3.0,
    json: Json = False,
) -> None:
    """Add, replace and withdraw papers: make a new snapshot from the live one and the changes, and make it live.

    Only new texts are embedded. The old snapshot stays until `akin index prune` removes it. Without a source, the live
    snapshot of an earlier release is converted to the rules of this one, from what the snapshot itself holds; a partial
    one gets the vectors that it lacks.
    """
    from akin import snapshots
    from akin.indexing.snapshot_parts import require_whole
    from akin.partial_snapshots import complete_index
    from akin.stack_settings import Settings
    from retrieval_service.corpus.directory import SnapshotDirectory

    settings = Settings.read()
    if source is None:
        if fields or complete or allow_shrink or withdraw or url:
            raise PapersUnusable("give a SOURCE; without one, update converts the live snapshot and takes no option.")
        partial = snapshots.find_manifest(settings, None).partial
        converted = (complete_index if partial else snapshots.convert_index)(settings, say=say, bar=progress_bar)
        if json:
            live = SnapshotDirectory(settings.data).current() == converted.id
            print_json(manifest_as_json(converted, live=live))
        return
    with snapshots.cli_errors():
        require_whole(snapshots.find_manifest(settings, None))
    if source == "oai":
        source = harvest_changes(settings, snapshots.find_manifest(settings, None), url, pause)
    manifest = snapshots.update_index(
        settings,
        index_source(settings, source, fields, strict),
        may_lack=None if not complete else 1.0 if allow_shrink else snapshots.MAY_LACK,
        withdrawn=tuple(_read(withdraw).split()) if withdraw is not None else (),
        remove_deleted=remove_deleted,
        say=say,
        bar=progress_bar,
    )
    if json:
        print_json(manifest_as_json(manifest, live=True))


def tune(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    recall: Annotated[float, typer.Option(min=0.01, max=1.0, help="The recall@10 to reach.")] = 0.95,
    memory: Annotated[float | None, typer.Option(min=0.0, help="Most megabytes for the index.")] = None,
    recipe: Annotated[
        list[str] | None, typer.Option(help="Measure this recipe of FAISS's index factory; may be repeated.")
    ] = None,
    queries: Annotated[Path | None, typer.Option(help="Real queries, one a line. Default: papers' titles.")] = None,
    plot: Annotated[Path | None, typer.Option(help="The SVG. Default: data/tuning/<snapshot>.svg.")] = None,
    use: Annotated[bool, typer.Option(help="Make the new snapshot the live one.")] = True,
    json: Json = False,
) -> None:
    """Measure vector indexes; use the cheapest that reaches the recall.

    Makes a new snapshot with the chosen index and all measurements in its manifest; embeds no paper.
    """
    from akin.cli.recall_chart import NEEDS_PLOTS, write_recall_chart
    from akin.indexing.tune import TuneOptions
    from akin.snapshots import cli_errors, tune_index
    from akin.stack_settings import Settings

    settings = Settings.read()
    wanted = TuneOptions(recall, memory, _parse_recipes(recipe), _read_queries(queries), use=False)
    manifest = tune_index(settings, snapshot, wanted, use=use, say=say, bar=progress_bar)
    index = manifest.index
    path = plot or settings.data / "tuning" / f"{manifest.id}.svg"
    with cli_errors():
        drawn = write_recall_chart(path, index.curve, _serving_point(index), recall)
    if not drawn:
        say(NEEDS_PLOTS)
    if json:
        print_json({**manifest_as_json(manifest, live=use), "plot": str(path) if drawn else None})
        return
    for line in format_curve(index):
        print(f"  {line}")
    say(f"{index.recipe}, nprobe {index.nprobe or '-'}: {index.why}" + (f"; the curves: {path}" if drawn else ""))


def verify(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    recall: Annotated[bool, typer.Option(help="Also measure the index against exact search.")] = True,
    queries: Annotated[int, typer.Option(min=1, help="Papers to use as queries, each without itself.")] = 256,
    rows: Annotated[
        str, typer.Option(help="Number of rows to compare with their papers' texts and embeddings, or `all`.")
    ] = "100000",  # evenly spread, they hit every 2,048 adjacent rows of 100 million
    json: Json = False,
) -> None:
    """Check a snapshot: files against published digests, rows against their own texts, its index against exact search.

    A row's text must have the row's digest, and its vector must be the stored embedding of that text.
    """
    from akin.indexing import verify as verification
    from akin.snapshots import cli_errors, find_manifest
    from akin.stack_settings import Settings
    from retrieval_service.corpus.directory import SnapshotDirectory

    wanted = _parse_rows(rows)
    settings = Settings.read()
    directory = SnapshotDirectory(settings.data).path(find_manifest(settings, snapshot).id)
    with cli_errors():
        found = verification.verify(directory, settings.data, rows=wanted, queries=queries if recall else None, say=say)
    if json:
        print_json(found.as_json())
    if not found.whole:
        raise typer.Exit(6)


def prune(
    keep: Annotated[int, typer.Option(min=1, help="Number of the newest snapshots to keep.")] = 2,
    json: Json = False,
) -> None:
    """Remove old snapshots and their maps. The newest, the live one and those in use stay, and so do all embeddings.

    Partial snapshots that are not live are removed, however new they are.
    """
    from akin.indexing.corpus_map.folder import remove_unused_maps
    from akin.snapshots import cli_errors
    from akin.stack_settings import Settings
    from retrieval_service.corpus.directory import SnapshotDirectory

    settings = Settings.read()
    snapshots = SnapshotDirectory(settings.data)
    in_use: list[str] = []
    with cli_errors():
        removed = snapshots.prune(keep, in_use=in_use.append)
        remove_unused_maps(settings.data)
    for name in removed:
        say(f"removed {name}")
    for name in in_use:
        say(f"kept {name}: it is in use by another command, or by a service that has not yet opened the live one")
    say(f"{len(removed):,} removed, {len(snapshots.ids()):,} kept")
    if json:
        print_json({"removed": removed, "kept": snapshots.ids(), "in_use": in_use})


def _parse_rows(given: str) -> int | None:
    if given == "all":
        return None
    if not given.isdecimal() or int(given) < 1:
        raise PapersUnusable(f"--rows {given}: give a number of rows, or `all`.")
    return int(given)


def _parse_recipes(given: list[str] | None) -> tuple[Recipe, ...] | None:
    from akin.indexing.faiss_recipe import parse_recipe

    try:
        return tuple(parse_recipe(text) for text in given) if given else None
    except ValueError as error:
        raise PapersUnusable(f"--recipe: {error}.") from error


def _read_queries(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    found = tuple(line for line in map(str.strip, _read(path).splitlines()) if line)
    if not found:
        raise PapersUnusable(f"{path}: holds no query.")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PapersUnusable(f"{path}: cannot be read ({error}).") from error


def _serving_point(index: IndexRecord) -> CurvePoint:
    serving = (index.recipe, index.nprobe or 0, index.k_factor)
    return next(point for point in index.curve if (point.recipe, point.nprobe, point.k_factor) == serving)
