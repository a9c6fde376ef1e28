"""Define `akin drift`: compare windows of queries, and measure how rankings bear small changes of a query."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.collection import collection_errors, collection_of
from akin.cli.output import Json, print_json, print_table, read_settings, say
from akin.errors import AkinError, CollectionUnusable

if TYPE_CHECKING:
    from akin.collection.store import CollectedSearch
    from akin.drift.results import DriftReport
    from akin.stack_settings import Settings

app = typer.Typer(no_args_is_help=True)
_WINDOW = "titles (of the live snapshot), collection, days such as 2026-05-01..2026-06-01, or a file of queries"
Titles = Annotated[int, typer.Option(min=100, max=20_000, help="Titles or queries that are drawn and searched.")]


@app.callback()
def group() -> None:
    """Find out whether queries have changed, and how rankings bear small changes of a query."""


@app.command()
def report(
    reference: Annotated[str, typer.Option(metavar="WINDOW", help=f"Compare with this: {_WINDOW}.")] = "titles",
    current: Annotated[
        str, typer.Option(metavar="WINDOW", help="The queries in question. Default: the last 7 days of the collection.")
    ] = "",
    level: Annotated[
        float, typer.Option(min=0.001, max=0.2, help="Probability of calling windows of the same queries different.")
    ] = 0.05,
    most: Titles = 1000,
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Default: drift in the data folder.")] = None,
    every: Annotated[
        float, typer.Option(metavar="HOURS", min=0, max=8760, help="Make a report again and again, so often. 0: once.")
    ] = 0,
    json: Json = False,
) -> None:
    """Compare a window of queries with a reference, and write report.json and report.html.

    Vectors are compared by MMD with a permutation test, and by a classifier; lengths, languages, categories, scores,
    unknown terms and empty answers by the population stability index. A file of queries and titles are searched in the
    live snapshot, for which the encoder is started. The service exports the newest report of the data folder.

    Example: akin drift report --reference 2026-05-01..2026-06-01 --current 2026-06-01..
    """
    settings = read_settings()
    with _drift_errors():
        from akin.drift.sources import parse_window

        for name in filter(None, (reference, current)):
            parse_window(name)  # before anything is searched, or waited for
    while True:
        try:
            _report(settings, reference, current, level, most, to or settings.drift_folder, json)
        except AkinError as error:
            if not every:
                raise
            say(f"no report: {error}")
        if not every:
            return
        time.sleep(3600 * every)


@app.command()
def robustness(
    queries: Annotated[str, typer.Option(metavar="WINDOW", help=f"The queries: {_WINDOW}.")] = "titles",
    most: Titles = 200,
    k: Annotated[int, typer.Option(min=1, max=100, help="Ranks that are compared.")] = 10,
    json: Json = False,
) -> None:
    """Change queries as people do by accident, and print how much of their rankings stays.

    Changes: small letters, capitals, typos, a word left out, half of the words, TeX. The queries are searched in the
    live snapshot, for which the encoder is started.
    """
    import msgspec

    from akin.drift import robustness as changes

    settings = read_settings()
    with _drift_errors():
        searches, texts = _draw(settings, queries, most)
        texts = texts or _sample([each.query for each in searches], most)
        if not texts:
            raise CollectionUnusable(f"the window {queries} has no query: choose another one, or collect some.")
        kinds = {name: changes.changed(texts, change) for name, change in changes.CHANGES.items()}
        found = _search(settings, [*texts, *(text for some in kinds.values() for text in some)], k)
    before, rows = found[: len(texts)], []
    for number, (name, some) in enumerate(kinds.items(), 1):
        after = found[number * len(texts) : (number + 1) * len(texts)]
        pairs = [
            (first.ids, second.ids if second else [])
            for text, other, first, second in zip(texts, some, before, after, strict=True)
            if text != other and first and first.ids
        ]
        if (row := changes.measure(name, pairs, k=k)) is not None:
            rows.append(row)
    if json:
        print_json(msgspec.to_builtins(rows))
        return
    print_table(
        ("change", "queries", f"overlap@{k}", "RBO", "same first", "worst tenth", "no results"),
        (
            (
                *(row.change, f"{row.queries:,}", f"{row.overlap:.3f}", f"{row.rbo:.3f}", f"{row.first:.1%}"),
                *(f"≤ {row.worst:.2f}", f"{row.without_results:.1%}"),
            )
            for row in rows
        ),
    )


def _report(settings: Settings, reference: str, current: str, level: float, most: int, to: Path, json: bool) -> None:
    import msgspec

    with _drift_errors():
        from akin.drift.compare import FEWEST, Window, compare
        from akin.drift.page import write_report

        def require(name: str, queries: int) -> None:
            if queries < FEWEST:
                raise CollectionUnusable(
                    f"the window {name} has {queries} queries, and a report needs {FEWEST}: "
                    "choose more days, or collect more (AKIN_COLLECTION, AKIN_COLLECTION_SHARE)."
                )

        windows = []
        drawn = [(name, *_draw(settings, name, most)) for name in (reference, current or _last_days(7))]
        # A search of titles takes a minute: find first what would make it useless.
        for name, searches, texts in drawn:
            require(name, len(searches) or len(texts))
        to.mkdir(parents=True, exist_ok=True)
        for name, searches, texts in drawn:
            searched = searches or [each for each in _search(settings, texts, 10) if each is not None]
            require(name, len(searched))
            windows.append(Window(name, searched))
        found = compare(*windows, level=level, most=most)
        write_report(found, to)
    if json:
        print_json(msgspec.to_builtins(found))
    else:
        _print(found)
    say(f"written to {to}")


def _print(found: DriftReport) -> None:
    from akin.drift.page import WINDOW_COLUMNS, rows_of_tests, window_row

    print_table(("window", *WINDOW_COLUMNS), map(window_row, (found.reference, found.current)))
    print_table(("test", "value", "p or limit", "differs"), rows_of_tests(found))
    for note in found.notes:
        say(note)
    reasons = "; ".join(found.reasons)
    print(f"The queries have drifted: {reasons}." if found.drift else "No drift was found.")


def _draw(settings: Settings, name: str, most: int) -> tuple[list[CollectedSearch], list[str]]:
    """Return the searches of a window of days; or the texts of a file or of titles, which are still to be searched."""
    from akin.drift.sources import Days, parse_window, read_queries

    source = parse_window(name)
    if isinstance(source, Days):
        with collection_errors():
            return list(collection_of(settings).read(source.since, source.before)), []
    texts = _titles(settings, most) if source is None else read_queries(source)
    return [], _sample(texts, most)


def _sample(texts: list[str], most: int) -> list[str]:
    import random

    return random.Random(1).sample(texts, most) if len(texts) > most else texts


def _titles(settings: Settings, most: int) -> list[str]:
    import random
    from contextlib import closing

    from akin.snapshots import find_manifest
    from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
    from retrieval_service.corpus.directory import SnapshotDirectory
    from retrieval_service.corpus.manifest import CATALOGUE

    live = find_manifest(settings, None)
    with closing(SqliteCatalogue(SnapshotDirectory(settings.data).path(live.id) / CATALOGUE)) as catalogue:
        rows = sorted(random.Random(1).sample(range(len(catalogue)), min(most, len(catalogue))))
        return [title for start in range(0, len(rows), 500) for title, _ in catalogue.texts(rows[start : start + 500])]


def _search(settings: Settings, texts: Sequence[str], k: int) -> list[CollectedSearch | None]:
    """Search texts in the live snapshot, with the encoder that made it."""
    from akin.indexing.collected_queries import search_texts
    from akin.snapshots import find_manifest, use_encoder
    from retrieval_service.corpus.directory import SnapshotDirectory

    path = SnapshotDirectory(settings.data).path(find_manifest(settings, None).id)
    return use_encoder(settings, lambda encoder: search_texts(path, encoder, texts, k=k), say=say)


def _last_days(days: int) -> str:
    from datetime import UTC, datetime, timedelta

    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}.."


@contextmanager
def _drift_errors() -> Iterator[None]:
    from akin.drift.sources import WindowError

    try:
        with collection_errors():
            yield
    except WindowError as error:
        raise CollectionUnusable(str(error)) from error
    except ImportError as error:
        raise CollectionUnusable(f"this needs {error.name}: install akin with the extra `drift`.") from error
