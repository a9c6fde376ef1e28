"""Define `akin list`: a file of papers, searched by, searched within, and asked what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.cite import ids_of_input
from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import SearchFailed

if TYPE_CHECKING:
    from akin.stack_settings import Settings

MOST_LISTED = 1000  # of one request to the service

app = typer.Typer(no_args_is_help=True, help="Ask about a list of papers: a file of ids, one on each line.")

_File = Annotated[str, typer.Argument(metavar="FILE", help="File of ids, or - for standard input.")]
_Unlike = Annotated[list[str] | None, typer.Option(help="Paper to move away from, by id; may be repeated.")]
_Category = Annotated[list[str] | None, typer.Option(help="Only this category (cs.LG, or cs); may be repeated.")]
_Since = Annotated[str | None, typer.Option("--from", help="Only from this date on: 2020, 2020-05 or 2020-05-17.")]
_Until = Annotated[str | None, typer.Option("--to", help="Only until this date.")]


@app.command()
def show(file: _File, json: Json = False) -> None:
    """Show the papers of a list, and the ids that the corpus lacks."""
    settings = read_settings()
    found: dict[str, Any] = {"papers": [], "unknown": []}
    ids = _read(file)
    for at in range(0, len(ids), MOST_LISTED):
        answer = _asked(settings, "/papers", {"ids": ids[at : at + MOST_LISTED]})
        found["papers"] += answer["papers"]
        found["unknown"] += answer["unknown"]
    if json:
        print_json(found)
        return
    for number, paper in enumerate(found["papers"], start=1):
        _print_paper(number, paper, "")
    _say_unknown(found["unknown"])


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
    body = {"like": _known(settings, _read(file)), "unlike": unlike, "k": k}
    _search(settings, body | _conditions(category, since, until), json)


@app.command()
def within(
    file: _File,
    text: Annotated[str, typer.Argument(help="What to look for among the papers of the list.")],
    k: Annotated[int, typer.Option("-k", help="How many papers (1 to 100).")] = 10,
    json: Json = False,
) -> None:
    """Search the papers of a list."""
    _search(read_settings(), {"query": text, "ids": _few(_read(file)), "k": k}, json)


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
    body = {"ids": _few(_read(file)), "unlike": unlike, "k": k, **_conditions(category, since, until)}
    answer = _asked(read_settings(), "/lists/missing", _given(body))
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
    _say_unknown(answer["unknown"])


def _read(file: str) -> list[str]:
    ids = list(dict.fromkeys(ids_of_input(file)))
    if not ids:
        raise typer.BadParameter(f"{file} has no ids")
    return ids


def _few(ids: list[str]) -> list[str]:
    if len(ids) > MOST_LISTED:
        raise typer.BadParameter(f"the list has {len(ids):,} papers; at most {MOST_LISTED:,} can be asked about")
    return ids


def _known(settings: Settings, ids: list[str]) -> list[str]:
    """Return the papers of a list that the corpus has, by its ids."""
    found = _asked(settings, "/papers", {"ids": _few(ids)})
    _say_unknown(found["unknown"])
    if not found["papers"]:
        raise SearchFailed("the corpus has no paper of this list")
    return [paper["id"] for paper in found["papers"]]


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


def _say_unknown(ids: list[str]) -> None:
    if ids:
        more = f" and {len(ids) - 20:,} more" if len(ids) > 20 else ""
        say(f"not in this corpus: {', '.join(each[:80] for each in ids[:20])}{more}")
