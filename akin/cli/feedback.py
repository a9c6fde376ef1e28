"""Define `akin feedback` and `akin interleave`: what readers said of results, and which encoder they prefer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.output import Json, check_day, print_json, print_table, read_settings, say, shown, write_output
from akin.cli.relevance import relevance_errors
from akin.errors import FeedbackUnusable

if TYPE_CHECKING:
    from akin.feedback.report import Comparison
    from akin.feedback.store import FeedbackStore
    from akin.stack_settings import Settings
    from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue

app = typer.Typer(no_args_is_help=True)
interleave = typer.Typer(no_args_is_help=True)

Since = Annotated[str, typer.Option(metavar="DAY", help="Only searches from this day on, such as 2026-01-31.")]
Before = Annotated[str, typer.Option(metavar="DAY", help="Only searches before this day.")]


@app.callback()
def group() -> None:
    """Show, export and delete what readers said of results (AKIN_FEEDBACK turns that on)."""


@interleave.callback()
def interleave_group() -> None:
    """Compare two encoders by what readers chose of interleaved results."""


@app.command()
def info(json: Json = False) -> None:
    """Print how much feedback is stored, from when, and how long it is kept."""
    import msgspec

    settings = read_settings()
    with feedback_errors():
        kept = _store(settings)
        summary = kept.summary()
    rows = {
        "stored": "yes" if settings.feedback != "off" else "no: AKIN_FEEDBACK is off",
        "file": str(kept.path),
        "limit_bytes": kept.most_bytes,
        "days": kept.days,
        **msgspec.structs.asdict(summary),
    }
    if json:
        print_json(rows)
        return
    print_table(("feedback", ""), ((name.replace("_", " "), shown(value)) for name, value in rows.items()))


@app.command()
def export(
    to: Annotated[Path, typer.Argument(metavar="TO", help="The file to write, - for standard output, or a folder.")],
    form: Annotated[
        str,
        typer.Option(
            "--as", metavar="FORM", help="records (JSON lines), pairs (for `akin train`), or set (for `akin evaluate`)."
        ),
    ] = "records",
    since: Since = "",
    before: Before = "",
    others: Annotated[
        int, typer.Option(min=0, help="With --as set: papers of the corpus beside those that readers saw.")
    ] = 10_000,
) -> None:
    """Write feedback for another program.

    pairs: query and useful result, with a result of the same search that was called not useful as hard negative, as the
    pair files of training have them. set: a folder in BEIR's layout with the papers that readers called useful. Both
    need the live snapshot, for the texts. To train and to measure on different searches, divide them by day.

    Example: akin feedback export pairs.jsonl --as pairs --before 2026-05-01; akin feedback export sets/readers --as set
    --since 2026-05-01
    """
    import msgspec

    from akin.feedback import export as exports

    if form not in ("records", "pairs", "set"):
        raise typer.BadParameter(f"--as {form}: choose records, pairs or set")
    settings = read_settings()
    with feedback_errors():
        kept = _store(settings)
        searches = [each for each in kept.read(check_day(since)) if not before or each.search.time < check_day(before)]
        if not searches:
            raise FeedbackUnusable(f"there is no feedback to export in {kept.path} (akin feedback info).")
        if form == "records":
            write_output(to, b"".join(exports.record_lines(searches)))
            say(f"{to}: {len(searches):,} searches")
            return
        with closing(_catalogue(settings)) as catalogue:
            if form == "set":
                with relevance_errors():
                    done = exports.write_set(searches, catalogue, to, others=others)
            else:
                found, done = exports.pairs(searches, catalogue)
                if found:
                    write_output(to, b"".join(msgspec.json.encode(pair) + b"\n" for pair in found))
    if not done.records:
        raise FeedbackUnusable("no search has words and a useful result that the corpus has: nothing was written.")
    what = "judgements" if form == "set" else "pairs"
    say(f"{to}: {done.records:,} {what} of {done.searches:,} searches")
    if done.lacking:
        say(f"{done.lacking:,} marked papers are not in the live snapshot and were left out")


@app.command()
def delete(
    before: Annotated[str, typer.Option(metavar="DAY", help="Delete the searches before this day.")] = "",
    search: Annotated[str, typer.Option(metavar="ID", help="Delete one search.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Delete everything.")] = False,
) -> None:
    """Delete searches with their marks; what is deleted is overwritten."""
    if bool(before) + bool(search) + everything != 1:
        raise typer.BadParameter("give one of --before DAY, --search ID and --all")
    with feedback_errors():
        gone = _store(read_settings()).delete(before=check_day(before) or None, search=search or None)
    say(f"{gone:,} searches deleted")


@interleave.command()
def report(
    since: Since = "",
    credit: Annotated[str, typer.Option(metavar="MARKS", help="What readers chose: useful, opened, or both.")] = "both",
    preference: Annotated[
        float,
        typer.Option(min=0.51, max=0.99, help="Share of the decided searches from which on a difference matters."),
    ] = 0.55,
    json: Json = False,
) -> None:
    """Print which of two encoders readers prefer: wins, losses and ties, in all and by mode.

    A side wins a search if readers chose more of its results. The share is that of the candidate among the decided
    searches, with its 95 % interval; p is of a sign test. `missing` is the number of further decided searches for a
    result that can be trusted: do not decide before.
    """
    import msgspec

    if credit not in ("useful", "opened", "both"):
        raise typer.BadParameter(f"--credit {credit}: choose useful, opened or both")
    try:
        from akin.feedback.report import compare
    except ImportError as error:
        raise FeedbackUnusable(f"the report needs {error.name}: install akin with the extra `relevance`.") from error
    with feedback_errors():
        found = compare(
            _store(read_settings()).read(check_day(since)),
            preference=preference,
            useful=credit != "opened",
            opened=credit != "useful",
        )
    if json:
        print_json(msgspec.to_builtins(found))
        return
    if not found:
        say("no interleaved search has a mark yet: set AKIN_FEEDBACK and AKIN_INTERLEAVE (docs/feedback.md)")
    for each in found:
        _print(each)


@contextmanager
def feedback_errors() -> Iterator[None]:
    """Raise an error of the command line in place of one of the rooms below.

    Raises:
        FeedbackUnusable: Feedback cannot be read, written or exported.
    """
    from akin.feedback.store import FeedbackError
    from retrieval_service.errors import SnapshotError

    try:
        yield
    except (FeedbackError, SnapshotError) as error:
        raise FeedbackUnusable(str(error)) from error
    except OSError as error:
        raise FeedbackUnusable(f"{error.filename} cannot be written: {error.strerror}.") from error


def _store(settings: Settings) -> FeedbackStore:
    from akin.feedback.store import FeedbackStore

    most = settings.feedback_megabytes * 1_000_000
    return FeedbackStore(settings.feedback_folder, days=settings.feedback_days, most_bytes=most)


def _catalogue(settings: Settings) -> SqliteCatalogue:
    from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
    from retrieval_service.corpus.directory import SnapshotDirectory
    from retrieval_service.corpus.manifest import CATALOGUE

    snapshots = SnapshotDirectory(settings.data)
    live = snapshots.current()
    if live is None:
        raise FeedbackUnusable(f"{settings.data} has no live snapshot, which has the texts (akin index build).")
    return SqliteCatalogue(snapshots.path(live) / CATALOGUE)


def _print(found: Comparison) -> None:
    say(
        f"serving encoder version {found.serving.version} ({found.serving.digest[:12]}) and candidate version "
        f"{found.candidate.version} ({found.candidate.digest[:12]}), {found.first[:10]} to {found.last[:10]}"
    )
    print_table(
        ("mode", "searches", "candidate", "serving", "ties", "share", "95 %", "p", "missing"),
        (
            (
                each.mode,
                *(f"{number:,}" for number in (each.searches, each.wins, each.losses, each.ties)),
                *("–" if each.share is None else f"{each.share:.1%}", _interval(each.low, each.high)),
                *(f"{each.p:.3g}", f"{each.missing:,}"),
            )
            for each in found.outcomes
        ),
    )
    say(found.verdict)


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.1%} to {high:.1%}"
