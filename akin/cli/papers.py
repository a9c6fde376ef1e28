"""Define `akin papers fetch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import PapersUnusable

if TYPE_CHECKING:
    from akin.papers.remote import Harvest
    from akin.stack_settings import Settings
    from retrieval_service.corpus.manifest import Manifest

app = typer.Typer(no_args_is_help=True)

HARVESTS = "arxiv-oai"


@app.callback()
def group() -> None:
    """Fetch papers: arXiv's metadata by harvest, or a file of papers."""


@app.command()
def fetch(
    source: Annotated[
        str, typer.Argument(help="`oai` for arXiv's repository; or https://…, gs://bucket/key, s3://bucket/key.")
    ],
    to: Annotated[Path | None, typer.Option(help="The folder for the papers. Default: data/corpora.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The SHA-256 digest that the file must have.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", help="Harvest the papers changed since this day. Default: since the last harvest, or all."
        ),
    ] = None,
    subset: Annotated[
        str | None, typer.Option("--set", help="Harvest only one set, such as cs or physics:hep-th.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Address of an OAI-PMH repository with arXivRaw. Default: arXiv's."),
    ] = None,
    pause: Annotated[float, typer.Option(min=0.0, max=3600, help="Seconds between two requests of a harvest.")] = 3.0,
    json: Json = False,
) -> None:
    """Fetch papers, to be indexed with `akin index build` or `akin index update`.

    To continue an interrupted fetch, give the same command again.
    """
    from akin.papers.remote import ARXIV, download

    folder = to or read_settings().data / "corpora"
    if source == "oai":
        folder = folder / HARVESTS
        url = url or ARXIV
        done = run_harvest(folder, since or last_harvest(folder, url, subset), url=url, subset=subset, pause=pause)
        if json:
            print_json({"path": str(folder / done.file), **{n: getattr(done, n) for n in done.__struct_fields__}})
        return
    with fetch_progress(of_bytes=True) as show:
        got = download(source, folder, sha256=sha256, notify=say, progress=show)
    say(f"{got.path}: {got.bytes:,} bytes, SHA-256 {got.sha256}")
    if json:
        print_json({"path": str(got.path), "bytes": got.bytes, "sha256": got.sha256, "resumed_at": got.resumed_at})


def run_harvest(folder: Path, since: str | None, *, url: str, subset: str | None, pause: float) -> Harvest:
    """Harvest a repository into a folder and print what was harvested.

    Raises:
        PapersUnusable: `since` is not a day.
        PapersError: The repository cannot be harvested; the message names the next step.
    """
    from akin.papers.readers.fields import parse_day
    from akin.papers.remote import harvest
    from akin.papers.remote.http import RetryPolicy

    if since is not None and (parse_day(since) is None or len(since) != 10):
        raise PapersUnusable(f"--from {since}: give a day as 2026-01-31.")
    say(f"harvesting {url} from {since or 'the beginning'}: one connection, {pause:g} s between requests")
    with fetch_progress(of_bytes=False) as show:
        done = harvest(
            folder, url=url, since=since, subset=subset, policy=RetryPolicy(pause=pause), notify=say, progress=show
        )
    say(
        f"{folder / done.file}: {done.records:,} papers, {done.deleted:,} deleted"
        f"{'' if done.incomplete else f', up to {done.until}'}; SHA-256 {done.sha256}"
    )
    for line in harvest_flaws(done):
        say(line)
    return done


def harvest_flaws(done: Harvest) -> Iterator[str]:
    """Yield a line about everything that a harvest lacks or that was repaired."""
    if done.repaired:
        yield f"broken characters in {done.repaired:,} records were removed or replaced"
    if done.unusable:
        yield f"{done.unusable:,} records have no id or no metadata"
    if done.lost:
        ids = ", ".join((*done.lost_ids, *["…"][: done.lost - len(done.lost_ids)]))
        yield f"{done.lost:,} records could not be read ({ids}): an earlier --from requests them again"
    if done.missing:
        yield f"the repository announced {done.announced:,} records; {done.missing:,} are missing"
    if done.incomplete:
        again = f"--from {done.since}" if done.since else "no --from"
        yield f"the harvest is incomplete: {done.incomplete}. The next one begins again with {again}."


def last_harvest(folder: Path, url: str, subset: str | None) -> str | None:
    """Return the day up to which the last harvest of the same repository and set went; None if there is none."""
    from akin.papers.remote import finished_harvests

    harvests = finished_harvests(folder)
    days = [done.until for done in harvests if done.until and (done.url, done.subset) == (url, subset)]
    return days[-1] if days else None


def harvest_of(path: Path) -> Harvest | None:
    """Return the harvest that wrote a file; None for any other file."""
    from akin.papers.remote import finished_harvests

    return next((done for done in finished_harvests(path.parent) if done.file == path.name), None)


def harvest_changes(settings: Settings, before: Manifest, url: str | None, pause: float) -> str:
    """Harvest what has changed since a snapshot was made, and return the path of the file.

    Args:
        settings: Where files are kept.
        before: Manifest of the snapshot.
        url: Address of the repository; None for the one of the snapshot.
        pause: Least seconds between requests.
    """
    from akin.papers.remote import ARXIV
    from akin.snapshots import harvest_start

    folder, since = settings.data / "corpora" / HARVESTS, harvest_start(settings, before)
    done = run_harvest(folder, since, url=url or before.repository or ARXIV, subset=before.subset, pause=pause)
    return str(folder / done.file)


@contextmanager
def fetch_progress(*, of_bytes: bool, doing: str = "fetching") -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar of bytes or of records; yield the function that moves it."""
    from rich import progress as rich

    from akin.cli.output import stderr

    amount = rich.DownloadColumn() if of_bytes else rich.MofNCompleteColumn()
    columns = (rich.TextColumn(f"{doing:<10}"), rich.BarColumn(), amount, rich.TimeRemainingColumn())
    with rich.Progress(*columns, console=stderr, disable=not stderr.is_terminal) as bars:
        task = bars.add_task(doing, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
