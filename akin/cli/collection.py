"""Define `akin collection`: the sample of queries that the service keeps, where that is turned on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.output import Json, check_day, print_json, print_table, read_settings, say, shown, write_output
from akin.errors import CollectionUnusable

if TYPE_CHECKING:
    from akin.collection.store import CollectionStore
    from akin.stack_settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Show, export and delete the queries that the service collected (AKIN_COLLECTION turns that on)."""


@app.command()
def info(json: Json = False) -> None:
    """Print how many queries are collected, from when, and how long they are kept."""
    settings = read_settings()
    with collection_errors():
        kept = collection_of(settings)
        stored = asdict(kept.stored())
    rows = {
        "collected": "yes" if settings.collection != "off" else "no: AKIN_COLLECTION is off",
        "folder": str(kept.folder),
        "limit_bytes": kept.most_bytes,
        "days": kept.days,
        **stored,
    }
    if json:
        print_json(rows)
        return
    print_table(("collection", ""), ((name.replace("_", " "), shown(value)) for name, value in rows.items()))


@app.command()
def export(
    to: Annotated[Path, typer.Argument(metavar="TO", help="File of JSON lines to write, or - for standard output.")],
    since: Annotated[str, typer.Option(metavar="DAY", help="Only queries from this day on, such as 2026-01-31.")] = "",
    before: Annotated[str, typer.Option(metavar="DAY", help="Only queries before this day.")] = "",
    embeddings: Annotated[bool, typer.Option(help="With their vectors.")] = False,
) -> None:
    """Write collected queries as JSON lines; the folder's own files are Parquet, which many programs read.

    Example: akin collection export queries.jsonl --since 2026-05-01
    """
    import msgspec

    from akin.collection.store import as_records

    since, before = check_day(since), check_day(before)
    with collection_errors():
        kept = collection_of(read_settings())
        records = as_records(kept.read(since, before), embeddings=embeddings)
        lines = [msgspec.json.encode(record) + b"\n" for record in records]
        if not lines:
            raise CollectionUnusable(f"there is no query to export in {kept.folder} (akin collection info).")
        write_output(to, b"".join(lines))
    say(f"{to}: {len(lines):,} queries")


@app.command()
def delete(
    before: Annotated[str, typer.Option(metavar="DAY", help="Delete the queries before this day.")] = "",
    query: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Delete the queries with exactly this text.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete everything.")] = False,
) -> None:
    """Delete collected queries; a file that keeps others is written anew."""
    if bool(before) + (query is not None) + everything != 1:
        raise typer.BadParameter("give one of --before DAY, --query TEXT and --all")
    with collection_errors():
        gone = collection_of(read_settings()).delete(before=check_day(before), query=query)
    say(f"{gone:,} queries deleted")


@contextmanager
def collection_errors() -> Iterator[None]:
    """Raise an error of the command line in place of one of the collection.

    Raises:
        CollectionUnusable: The collection cannot be read or written.
    """
    from akin.collection.store import CollectionError

    try:
        yield
    except CollectionError as error:
        raise CollectionUnusable(str(error)) from error
    except OSError as error:
        raise CollectionUnusable(f"{error.filename} cannot be written: {error.strerror}.") from error


def collection_of(settings: Settings) -> CollectionStore:
    """Return the collection that settings name."""
    from akin.collection.store import CollectionStore

    most = settings.collection_megabytes * 1_000_000
    return CollectionStore(settings.collection_folder, days=settings.collection_days, most_bytes=most)
