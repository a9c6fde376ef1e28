"""Define `akin milvus`: fill Milvus with the vectors of a snapshot, list what it has, remove it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.output import Json, print_json, print_table, read_settings, say
from akin.errors import PapersUnusable

if TYPE_CHECKING:
    from akin.stack_settings import Settings
    from retrieval_service.adapters.milvus_index import MilvusOptions

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Search vectors in Milvus (AKIN_MILVUS_URI) instead of this machine's memory."""


@app.command()
def load(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    kind: Annotated[
        str, typer.Option("--index", help="FLAT, HNSW, IVF_FLAT, IVF_SQ8, IVF_RABITQ, GPU_CAGRA or AUTOINDEX.")
    ] = "HNSW",
    json: Json = False,
) -> None:
    """Store the vectors of a snapshot in a collection of their own.

    A service that searches Milvus refuses a new live snapshot until its vectors are there, and serves the old one: run
    this after each build or update. What is there whole is kept; what is there by half is made again.
    """
    import msgspec

    from akin.indexing.milvus import load_snapshot
    from akin.snapshots import cli_errors, find_manifest
    from retrieval_service.corpus.directory import SnapshotDirectory

    settings = read_settings()
    options = require_options(settings)
    manifest = find_manifest(settings, snapshot)
    with cli_errors(), loading_bar() as show:
        loaded = load_snapshot(SnapshotDirectory(settings.data).path(manifest.id), options, kind.upper(), show)
    if json:
        print_json(msgspec.to_builtins(loaded))
        return
    say(
        f"{loaded.vectors:,} vectors are in the collection {loaded.collection} ({loaded.kind}), "
        f"after {loaded.seconds:.1f} s; services with AKIN_MILVUS_URI={options.uri} search them"
    )


@app.command("list")
def list_(json: Json = False) -> None:
    """List the collections, with the snapshots of this data folder that they are of."""
    import msgspec

    from akin.indexing.milvus import list_collections
    from akin.snapshots import cli_errors
    from retrieval_service.corpus.directory import SnapshotDirectory

    settings = read_settings()
    with cli_errors():
        found = list_collections(require_options(settings), SnapshotDirectory(settings.data))
    if json:
        print_json(msgspec.to_builtins(found))
    elif found:
        rows = [(each.collection, f"{each.vectors:,}", each.kind or "none", each.snapshot or "") for each in found]
        print_table(("collection", "vectors", "index", "snapshot"), rows)
    else:
        print("no collections; fill one: akin milvus load")


@app.command()
def drop(
    collections: Annotated[
        list[str], typer.Argument(metavar="COLLECTION...", help="Names as akin milvus list prints.")
    ],
) -> None:
    """Remove collections. A service that searches one goes on in main memory."""
    from akin.indexing.milvus import drop_collections
    from akin.snapshots import cli_errors

    with cli_errors():
        drop_collections(require_options(read_settings()), collections)
    say(f"removed {', '.join(collections)}")


def require_options(settings: Settings) -> MilvusOptions:
    """Return where Milvus is.

    Raises:
        PapersUnusable: AKIN_MILVUS_URI is not set.
    """
    from retrieval_service.adapters.milvus_index import milvus_options

    if not settings.milvus_uri:
        raise PapersUnusable("set AKIN_MILVUS_URI to the address of Milvus, or to the path of a file of milvus-lite.")
    return milvus_options(settings)


@contextmanager
def loading_bar() -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar of vectors; yield the function that moves it."""
    from akin.cli.index import progress_bar
    from akin.indexing.options import Progress

    with progress_bar() as show:
        yield lambda done, total: show(Progress("index", done, total, 0, "storing"))
