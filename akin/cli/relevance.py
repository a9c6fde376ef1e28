"""Define `akin relevance`: make test sets, draw a larger corpus, put sets into it, show what a folder holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.corpus import corpus_path
from akin.cli.output import Json, print_json, print_table, read_settings, say
from akin.errors import PapersUnusable

if TYPE_CHECKING:
    from datetime import date

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Make test sets of the kinds of search that people do, and look into sets of others."""


@app.command()
def make(
    source: Annotated[str, typer.Argument(metavar="PAPERS", help="A file of papers, or `sample`.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder for the sets.")],
    kinds: Annotated[
        str | None,
        typer.Option(help="Some of question,keywords,title,claim,neighbours,draft,citations. Default: all."),
    ] = None,
    citations: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For `citations`: pairs of a citing and a cited id, a line each."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Papers from this day on make sets of their own, <kind>-since-<day>."),
    ] = None,
    queries: Annotated[int, typer.Option(min=10, help="Queries of a set at most.")] = 1_000,
    distractors: Annotated[
        int, typer.Option(min=0, help="Papers of the larger corpus of <kind>-large; 0 for no such sets.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")] = 1,
    mapping: Annotated[
        str | None,
        typer.Option("--map", help="For JSON lines or CSV of other fields: id=_id,title=title,abstract=text"),
    ] = None,
    json: Json = False,
) -> None:
    """Make test sets from papers: a part of a paper is the query, and the rest of the paper is to be found.

    question: a question that stands in the paper. keywords: the authors' own, or the rarest words of the title. title:
    the title looks for the abstract. claim: what stands behind "We show that". neighbours: an abstract looks for
    related papers (replies, series, cited papers, the same authors on the same subject). draft: the abstract's
    beginning looks for title and rest. citations: an abstract looks for what its paper cites, by --citations.

    Use papers that the encoder was not trained with. Each set is a folder in BEIR's layout for `akin encoder evaluate
    --set`; <kind>-large is the same set among many more papers. 100,000 papers take about a minute.

    Example: akin relevance make arxiv.jsonl.gz data/sets --since 2025-01-01
    """
    from akin.papers import read_papers

    with relevance_errors():
        from akin.relevance import make_sets
        from akin.relevance.collection import read_digest
        from akin.relevance.kinds import read_citations

        path = corpus_path(read_settings(), source)
        about = {"file": path.name, "sha256": read_digest(path)}
        cited = None
        if citations is not None:
            cited = read_citations(citations)
            about |= {"citations": citations.name, "citations_sha256": read_digest(citations)}
        with read_papers(path, mapping) as papers:
            made = make_sets(
                papers,
                folder,
                kinds=[kind.strip() for kind in kinds.split(",")] if kinds else None,
                queries=queries,
                since=_day(since),
                distractors=distractors,
                seed=seed,
                source=about,
                citations=cited,
                report=say,
            )
    if json:
        print_json([each.__dict__ for each in made])
        return
    rows = [(each.queries, each.candidates, each.passages, each.distractors + each.passages) for each in made]
    print_table(
        ("set", "queries", "candidates", "passages", "with distractors"),
        ((each.name, *(f"{number:,}" for number in row)) for each, row in zip(made, rows, strict=True)),
    )
    if few := [each.name for each in made if not each.queries]:
        say(f"too few searches for a set: {', '.join(few)}. More papers give more.")


@app.command()
def distractors(
    source: Annotated[str, typer.Argument(metavar="PAPERS", help="A file of papers, or `sample`.")],
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, such as sets/distractors.jsonl.")],
    most: Annotated[int, typer.Option(min=1, help="Papers to draw.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draw.")] = 1,
    mapping: Annotated[
        str | None,
        typer.Option("--map", help="For JSON lines or CSV of other fields: id=_id,title=title,abstract=text"),
    ] = None,
) -> None:
    """Draw the papers of a larger corpus from all papers of a file, for `akin relevance inside`.

    Withdrawn papers are left out. A set that was made with an earlier file of this name has to be made again.

    Example: akin relevance distractors arxiv.jsonl.gz sets/distractors.jsonl --most 30000
    """
    from akin.papers import read_papers

    with relevance_errors():
        from akin.relevance import write_distractors

        with read_papers(corpus_path(read_settings(), source), mapping) as papers:
            drawn = write_distractors(papers, path, count=most, seed=seed)
    say(f"{path}: {len(drawn):,} papers")


@app.command()
def inside(
    base: Annotated[Path, typer.Argument(metavar="SET", help="A set in any known format.")],
    distractors: Annotated[
        Path,
        typer.Argument(metavar="DISTRACTORS", help="The file of `akin relevance distractors` or of `… make`."),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write, such as sets/scifact-large.")],
) -> None:
    """Put a set inside a larger corpus, without the papers that nearly repeat one of its passages.

    The folder holds the names of the two and no copy of them.
    """
    with relevance_errors():
        from akin.relevance import place_inside, read_collection

        place_inside(base, distractors, folder)
        say(f"{folder}: {len(read_collection(folder).passages):,} passages")


@app.command()
def show(
    folders: Annotated[
        list[Path], typer.Argument(metavar="SET...", help="Sets in any known format, or folders of them.")
    ],
    json: Json = False,
) -> None:
    """Read sets, check that every judged passage is there, and print their sizes and slices."""
    with relevance_errors():
        from akin.relevance import query_slices, read_collections

        rows = [
            {
                "set": each.name,
                "kind": each.kind,
                "queries": len(each.queries),
                "relevant": sum(map(len, each.qrels.values())),
                "passages": len(each.passages),
                "digest": each.digest,
                "slices": {name: len(queries) for name, queries in query_slices(each).items()},
            }
            for each in read_collections(folders)
        ]
    if json:
        print_json(rows)
        return
    numbers = ("queries", "relevant", "passages")
    print_table(
        ("set", "kind", *numbers, "digest"),
        (
            (str(row["set"]), str(row["kind"] or ""), *(f"{row[name]:,}" for name in numbers), str(row["digest"])[:12])
            for row in rows
        ),
    )


@contextmanager
def relevance_errors() -> Iterator[None]:
    """Raise an error of the command line in place of one of the room `relevance`.

    Raises:
        PapersUnusable: Sets cannot be made or read, or NumPy is missing.
    """
    try:
        from akin.relevance import RelevanceError
    except ImportError as error:
        raise PapersUnusable(f"test sets need {error.name}: install akin with the extra `relevance`.") from error
    try:
        yield
    except RelevanceError as error:
        raise PapersUnusable(str(error)) from error


def _day(text: str | None) -> date | None:
    from akin.papers.readers.fields import parse_day

    if text is None:
        return None
    day = parse_day(text)
    if day is None or len(text) != 10:
        raise PapersUnusable(f"--since {text}: give a day as 2025-01-01.")
    return day
