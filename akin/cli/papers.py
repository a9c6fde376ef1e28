"""`akin papers fetch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from akin.cli.output import Json, print_json, say, stderr
from akin.errors import PapersUnusable
from akin.settings import Settings
from papers.readers.fields import day
from papers.remote import ARXIV, Harvest, download, finished_harvests, harvest
from papers.remote.http import RetryPolicy

app = typer.Typer(no_args_is_help=True, help="Papers from elsewhere: arXiv's metadata by harvest, or a file of papers.")

HARVESTS = "arxiv-oai"


@app.callback()
def group() -> None:
    """Papers from elsewhere: arXiv's metadata by harvest, or a file of papers."""


@app.command()
def fetch(
    source: Annotated[
        str, typer.Argument(help="`oai` for arXiv's repository; or https://…, gs://bucket/key, s3://bucket/key.")
    ],
    to: Annotated[Path | None, typer.Option(help="The folder it goes to. Default: data/corpora.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The digest that a file must have.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="Harvest what changed from this day on. Default: since the last harvest, or all."),
    ] = None,
    subset: Annotated[
        str | None, typer.Option("--set", help="Harvest a set only, such as cs or physics:hep-th.")
    ] = None,
    url: Annotated[str, typer.Option(help="Another OAI-PMH repository that speaks arXivRaw.")] = ARXIV,
    pause: Annotated[float, typer.Option(min=0.0, help="Seconds between two requests of a harvest.")] = 3.0,
    json: Json = False,
) -> None:
    """Bring papers here, to be indexed with `akin index build` or `akin index update`.

    What was interrupted goes on where it stopped when the same command is given again.
    """
    folder = to or Settings.read().data / "corpora"
    if source == "oai":
        folder = folder / HARVESTS
        done = run_harvest(folder, since or last_harvest(folder, url, subset), url=url, subset=subset, pause=pause)
        if json:
            print_json({"path": str(folder / done.file), **{n: getattr(done, n) for n in done.__struct_fields__}})
        return
    with fetch_progress(DownloadColumn()) as show:
        got = download(source, folder, sha256=sha256, notify=say, progress=show)
    say(f"{got.path}: {got.bytes:,} bytes, SHA-256 {got.sha256}")
    if json:
        print_json({"path": str(got.path), "bytes": got.bytes, "sha256": got.sha256, "resumed_at": got.resumed_at})


def run_harvest(folder: Path, since: str | None, *, url: str, subset: str | None, pause: float) -> Harvest:
    """Harvests, and says what came of it.

    Raises:
        PapersUnusable: The day is none.
        PapersError: The repository cannot be harvested; the message says how to go on.
    """
    if since is not None and (day(since) is None or len(since) != 10):
        raise PapersUnusable(f"--from {since}: give a day as 2026-01-31.")
    say(f"harvesting {url} from {since or 'the beginning'}: one connection, {pause:g} s between requests")
    with fetch_progress(MofNCompleteColumn()) as show:
        done = harvest(
            folder, url=url, since=since, subset=subset, policy=RetryPolicy(pause=pause), notify=say, progress=show
        )
    say(
        f"{folder / done.file}: {done.records:,} papers, {done.deleted:,} gone, up to {done.until}; "
        f"SHA-256 {done.sha256}"
    )
    return done


def last_harvest(folder: Path, url: str, subset: str | None) -> str | None:
    """The day the last harvest of the same kind reached."""
    days = [done.until for done in finished_harvests(folder) if (done.url, done.subset) == (url, subset)]
    return days[-1] if days else None


def harvest_of(path: Path) -> Harvest | None:
    """The harvest that a file came of; None for any other file."""
    return next((done for done in finished_harvests(path.parent) if done.file == path.name), None)


@contextmanager
def fetch_progress(amount: Any) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar of bytes or records."""
    columns = (TextColumn("fetching  "), BarColumn(), amount, TimeRemainingColumn())
    with Bar(*columns, console=stderr, transient=not stderr.is_terminal) as bars:
        task = bars.add_task("fetching", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
