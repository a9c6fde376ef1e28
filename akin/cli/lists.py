"""Define `akin list`: a file of papers, searched by, searched within, and asked what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import SearchFailed

if TYPE_CHECKING:
    from akin.stack_settings import Settings

MOST_LISTED = 1000  # of one request to the service
_NAMED = 20  # references that the corpus lacks
_SHOWN = 120

app = typer.Typer(
    no_args_is_help=True, help="Ask about a list of papers: BibTeX, RIS, CSL-JSON, or lines of ids, DOIs and titles."
)

_File = Annotated[
    str, typer.Argument(metavar="FILE", help="BibTeX, RIS, CSL-JSON, or lines of ids, DOIs and titles; - for input.")
]
_Unlike = Annotated[list[str] | None, typer.Option(help="Paper to move away from, by id; may be repeated.")]
_Category = Annotated[list[str] | None, typer.Option(help="Only this category (cs.LG, or cs); may be repeated.")]
_Since = Annotated[str | None, typer.Option("--from", help="Only from this date on: 2020, 2020-05 or 2020-05-17.")]
_Until = Annotated[str | None, typer.Option("--to", help="Only until this date.")]


@app.command()
def show(file: _File, json: Json = False) -> None:
    """Show the papers of a list, and the references that the corpus lacks."""
    settings = read_settings()
    ids, unknown = _read(settings, file)
    found: dict[str, Any] = {"papers": [], "unknown": unknown}
    for at in range(0, len(ids), MOST_LISTED):
        found["papers"] += _asked(settings, "/papers", {"ids": ids[at : at + MOST_LISTED]})["papers"]
    if json:
        print_json(found)
        return
    for number, paper in enumerate(found["papers"], start=1):
        _print_paper(number, paper, "")
    _say_unknown(unknown)


@app.command()
def like(
    file: _File,
    unlike: _Unlike = None,
    k: Annotated[int, typer.Option("-k", help="How many papers (1 to 100).")] = 10,
    category: _Category = None,
    since: _Since = None,
    until: _Until = None,
    json: Json = False,
) -> None:
    """Find papers like those of a list, and unlike others."""
    settings = read_settings()
    body = {"like": _known(settings, file), "unlike": unlike, "k": k}
    _search(settings, body | _conditions(category, since, until), json)


@app.command()
def within(
    file: _File,
    text: Annotated[str, typer.Argument(help="What to look for among the papers of the list.")],
    k: Annotated[int, typer.Option("-k", help="How many papers (1 to 100).")] = 10,
    json: Json = False,
) -> None:
    """Search the papers of a list."""
    settings = read_settings()
    _search(settings, {"query": text, "ids": _known(settings, file), "k": k}, json)


@app.command()
def missing(
    file: _File,
    unlike: _Unlike = None,
    k: Annotated[int, typer.Option("-k", help="How many papers (1 to 100).")] = 20,
    category: _Category = None,
    since: _Since = None,
    until: _Until = None,
    json: Json = False,
) -> None:
    """Find papers that a list lacks: near to its topics, which take turns, and not in it."""
    settings = read_settings()
    body = {"ids": _known(settings, file), "unlike": unlike, "k": k, **_conditions(category, since, until)}
    answer = _asked(settings, "/lists/missing", _given(body))
    if json:
        print_json(answer)
        return
    for number, topic in enumerate(answer["topics"], start=1):
        say(f"topic {number}, {topic['papers']:,} papers: {_titles(topic['near'])}")
    for number, paper in enumerate(answer["results"], start=1):
        _print_paper(number, paper, f"near {_titles(paper['near'])}")
    if not answer["results"]:
        say("no paper is missing that meets the conditions")
    for note in answer["notes"]:
        say(f"note: {note}")


def _read(settings: Settings, file: str) -> tuple[list[str], list[str]]:
    """Return the ids of the papers of a list that the corpus has, and the references that mean none for certain."""
    from akin.cli.resolve import resolved

    found = resolved(settings, file)
    ids = dict.fromkeys(each["paper"]["id"] for each in found if each["paper"])
    return list(ids), [each["reference"] or f"line {each['line']}" for each in found if not each["paper"]]


def _known(settings: Settings, file: str) -> list[str]:
    """Return the ids of the papers of a list that the corpus has, few enough for one request."""
    ids, unknown = _read(settings, file)
    if len(ids) > MOST_LISTED:
        raise typer.BadParameter(f"the list has {len(ids):,} papers; at most {MOST_LISTED:,} can be asked about")
    _say_unknown(unknown)
    if not ids:
        raise SearchFailed("the corpus has no paper of this list")
    return ids


def _conditions(category: list[str] | None, since: str | None, until: str | None) -> dict[str, Any]:
    return {"categories": category, "from": since, "to": until}


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value}


def _search(settings: Settings, body: dict[str, Any], json: bool) -> None:
    from akin.cli.search import show as show_answer

    answer = _asked(settings, "/search", _given(body))
    if json:
        print_json(answer)
    else:
        show_answer(answer)


def _asked(settings: Settings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    from akin.cli.search import request_answer

    return request_answer(settings, path, body)


def _print_paper(number: int, paper: dict[str, Any], more: str) -> None:
    from rich.text import Text

    from akin.cli.output import stdout

    withdrawn = ("  withdrawn" if paper["withdrawn"] else "", "red")
    stdout.print(Text.assemble((f"{number:>3}  ", "dim"), (paper["title"], "bold"), withdrawn))
    authors = ", ".join(paper["authors"][:3]) + (" and others" if len(paper["authors"]) > 3 else "")
    year = (paper["date"] or "")[:4]
    stdout.print(Text(f"     {'  '.join(filter(None, [authors, year, paper['id']]))}", style="dim"))
    if more:
        stdout.print(Text(f"     {more}", style="italic"))


def _titles(papers: list[dict[str, Any]]) -> str:
    return " and ".join(f'"{paper["title"]}"' for paper in papers)


def _say_unknown(references: list[str]) -> None:
    for each in references[:_NAMED]:
        say(f"not in this corpus: {each if len(each) <= _SHOWN else f'{each[: _SHOWN - 1]}…'}")
    if len(references) > _NAMED:
        say(f"and {len(references) - _NAMED:,} more: akin resolve FILE names them all")
