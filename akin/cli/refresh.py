"""Define `akin refresh`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import AkinError

if TYPE_CHECKING:
    from akin.refresh import RefreshOptions
    from akin.snapshots import IndexSource
    from akin.stack_settings import Settings
    from retrieval_service.corpus.manifest import Manifest
    from retrieval_service.latest_refresh import RefreshRecord


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(refresh)


def refresh(
    source: Annotated[
        str, typer.Argument(help="`oai`: harvest the changes; or a file of new and changed papers.")
    ] = "oai",
    url: Annotated[
        str | None, typer.Option(help="Address of a repository with arXivRaw. Default: the snapshot's, or arXiv's.")
    ] = None,
    pause: Annotated[float, typer.Option(min=0.0, max=3600, help="Seconds between two requests of the harvest.")] = 3.0,
    keep: Annotated[int, typer.Option(min=1, help="Number of the newest snapshots to keep.")] = 2,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the new snapshot that are verified.")] = 100_000,
    recall: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The recall@10 below which the new snapshot does not become live.")
    ] = 0.9,
    every: Annotated[
        float, typer.Option(metavar="HOURS", min=0, max=8760, help="Refresh again and again, so often. 0: once.")
    ] = 0,
    json: Json = False,
) -> None:
    """Bring the index up to date: harvest, update, verify, make live, prune. One refresh at a time.

    A new snapshot that is damaged or finds too little is removed, and the one before it stays live. The service exports
    how the last refresh went, for the alerts AkinRefreshFailed and AkinRefreshIsOld.
    """
    from akin.papers import PapersError
    from akin.refresh import RefreshOptions

    settings = read_settings()
    options = RefreshOptions(keep=keep, rows=rows, recall=recall)
    while True:
        try:
            done = _refresh(settings, source, url, pause, options)
            say(f"{done.outcome}: {done.added:,} added, {done.replaced:,} replaced, {done.withdrawn:,} withdrawn")
            if json:
                import msgspec

                print_json(msgspec.to_builtins(done))
        except (AkinError, PapersError) as error:
            if not every:
                raise
            say(f"not refreshed: {error}")
        if not every:
            return
        time.sleep(3600 * every)


def _refresh(settings: Settings, source: str, url: str | None, pause: float, options: RefreshOptions) -> RefreshRecord:
    from akin.cli.index import index_source, progress_bar
    from akin.cli.papers import harvest_changes
    from akin.refresh import refresh as refresh_index

    def fetch(before: Manifest) -> IndexSource:
        return index_source(settings, source if source != "oai" else harvest_changes(settings, before, url, pause))

    return refresh_index(settings, fetch, options, say=say, bar=progress_bar)
