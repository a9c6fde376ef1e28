"""Define `akin milvus`: fill Milvus with a snapshot's vectors and words, change, list and remove what it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.output import Json, print_json, print_table, read_settings, say
from akin.errors import PapersUnusable

if TYPE_CHECKING:
    from akin.indexing.milvus import Loaded
    from akin.stack_settings import Settings
    from retrieval_service.adapters.milvus_collection import MilvusOptions

app = typer.Typer(no_args_is_help=True)

From = Annotated[
    str | None,
    typer.Option("--from", metavar="FOLDER", help="Vectors that akin embed made. Default: those of the snapshot."),
]
Words = Annotated[bool | None, typer.Option("--words/--no-words", help="Store words too. Default: AKIN_MILVUS_WORDS.")]


@app.callback()
def group() -> None:
    """Search vectors in Milvus (AKIN_MILVUS_URI) instead of this machine's memory."""


@app.command()
def load(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    kind: Annotated[
        str, typer.Option("--index", help="FLAT, HNSW, IVF_FLAT, IVF_SQ8, IVF_RABITQ, GPU_CAGRA or AUTOINDEX.")
    ] = "HNSW",
    embeddings: From = None,
    words: Words = None,
    json: Json = False,
) -> None:
    """Store the vectors of a snapshot in a collection of their own.

    A service that searches Milvus refuses a new live snapshot until its vectors are there, and serves the old one: run
    this, or akin milvus update, after each build or update. What is there whole is kept; what is there by half is made
    again.
    """
    from akin.indexing.milvus import load_snapshot

    _store(partial(load_snapshot, kind=kind.upper()), snapshot, embeddings, words, json)


@app.command()
def update(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    embeddings: From = None,
    words: Words = None,
    json: Json = False,
) -> None:
    """Change the collection that was loaded last into that of a snapshot: only papers that differ are written.

    Services that are still at the earlier snapshot search in main memory where a row was changed.
    """
    from akin.indexing.milvus import update_collection

    _store(update_collection, snapshot, embeddings, words, json)


def _store(
    store: Callable[..., Loaded], snapshot: str | None, embeddings: str | None, words: bool | None, json: bool
) -> None:
    import msgspec

    from akin.snapshots import cli_errors, find_manifest
    from retrieval_service.corpus.directory import SnapshotDirectory

    settings = read_settings()
    options = require_options(settings)
    if words is not None:
        options = options._replace(words=words)
    manifest = find_manifest(settings, snapshot)
    with cli_errors(), loading_bar() as show:
        folder = SnapshotDirectory(settings.data).path(manifest.id)
        loaded = store(folder, options, progress=show, embeddings=embeddings)
    if json:
        print_json(msgspec.to_builtins(loaded))
        return
    say(
        f"{loaded.vectors:,} vectors are in the collection {loaded.collection} ({loaded.kind}; {loaded.written:,} "
        f"written), after {loaded.seconds:.1f} s; services with AKIN_MILVUS_URI={options.address} search them"
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
def tune(
    snapshot: Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")] = None,
    recall: Annotated[float, typer.Option(min=0.01, max=1.0, help="The recall@10 to reach.")] = 0.95,
    queries: Annotated[int, typer.Option(min=1, help="Titles of papers to search for.")] = 256,
    json: Json = False,
) -> None:
    """Measure the recall of a snapshot's collection beside its own index; name the effort that reaches a recall.

    The papers that exact search finds for titles are what should be found, each without its own paper.
    """
    import msgspec

    from akin.indexing.milvus_recall import Measured, measure_collection
    from akin.snapshots import cli_errors, find_manifest, use_encoder
    from retrieval_service.corpus.directory import SnapshotDirectory

    settings = read_settings()
    options = require_options(settings)
    folder = SnapshotDirectory(settings.data).path(find_manifest(settings, snapshot).id)

    def show(each: Measured) -> None:
        effort = "" if each.effort is None else f"effort {each.effort:>5}  "
        say(f"{each.index:<10} {effort}recall@10 {each.recall:.3f}  {each.ms:.2f} ms")

    with cli_errors():
        found = use_encoder(
            settings, lambda encoder: measure_collection(folder, options, encoder, recall, show, queries), say=say
        )
    if json:
        print_json(msgspec.to_builtins(found))
    last = found[-1]
    if last.recall < recall:
        say(f"no effort reaches {recall:g}; make another index with akin milvus load --index")
    elif last.effort is not None:
        say(f"set AKIN_MILVUS_EFFORT={last.effort}")


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
    from retrieval_service.adapters.milvus_collection import milvus_options

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
