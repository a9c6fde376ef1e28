"""Define `akin search`: one query, answered by the running service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.asking import ask
from akin.cli.cite import export, formats
from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import SearchFailed
from akin.messages import counted

if TYPE_CHECKING:
    from akin.stack_settings import Settings


_LAST_OFFSET = 1000  # of the service


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(search)


def search(
    text: Annotated[
        str | None, typer.Argument(help="A question, an abstract, conditions, or ids, links or DOIs of papers.")
    ] = None,
    like: Annotated[list[str] | None, typer.Option(help="Papers similar to this one, by id; may be repeated.")] = None,
    unlike: Annotated[
        list[str] | None, typer.Option(help="With --like: papers dissimilar to this one, by id; may be repeated.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many papers (1 to 100).")] = 10,
    offset: Annotated[int, typer.Option(help="How many to skip first.")] = 0,
    page: Annotated[int | None, typer.Option(min=1, help="The page to show, each with -k papers.")] = None,
    more: Annotated[bool, typer.Option("--more", help="In a terminal: ask for the next page after each.")] = False,
    mode: Annotated[
        str, typer.Option(help="hybrid, dense or lexical.", autocompletion=lambda: ["hybrid", "dense", "lexical"])
    ] = "hybrid",
    category: Annotated[
        list[str] | None, typer.Option(help="Only this category (cs.LG, or cs for all of cs); may be repeated.")
    ] = None,
    all_categories: Annotated[
        list[str] | None,
        typer.Option("--all-categories", help="In this category and in the other ones given; may be repeated."),
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not in this category; may be repeated.")] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="Only by this author (Erdős, P. Erdős); repeated: by one of them.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--id", help="Only among these papers; may be repeated.")] = None,
    cites: Annotated[list[str] | None, typer.Option(help="Only papers that cite this one; may be repeated.")] = None,
    cited_by: Annotated[
        list[str] | None, typer.Option(help="Only papers that this one cites; may be repeated.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Only from this date on: 2020, 2020-05 or 2020-05-17.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="Only until this date.")] = None,
    withdrawn: Annotated[
        str,
        typer.Option(
            help="Withdrawn papers: include, exclude or only.", autocompletion=lambda: ["include", "exclude", "only"]
        ),
    ] = "include",
    operators: Annotated[bool, typer.Option(help="Read conditions in the text, as shown above.")] = True,
    collapse: Annotated[bool, typer.Option(help="Show a paper with several versions once.")] = True,
    sort: Annotated[
        str,
        typer.Option(
            help="relevance; newest, oldest or citations (of the best matches); or recent: the new weighs more."
        ),
    ] = "relevance",
    half_life: Annotated[
        float | None, typer.Option(help="With --sort recent: years in which a score halves; 3 if absent.")
    ] = None,
    diversity: Annotated[
        float, typer.Option(help="Weight of the differences between results beside their relevance, 0 to 1.")
    ] = 0.0,
    citation_boost: Annotated[
        float, typer.Option(help="Weight of citations beside relevance, 0 to 1; 0 for none.")
    ] = 0.0,
    chase: Annotated[
        bool, typer.Option("--chase", help="Add papers that most of the ten best results cite or are cited by.")
    ] = False,
    facets: Annotated[bool, typer.Option("--facets", help="Count the best matches by year and by category.")] = False,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Offer conditions for what the text says in words.")
    ] = False,
    why: Annotated[bool, typer.Option("--why", help="Say why each paper was found.")] = False,
    rerank: Annotated[int, typer.Option(min=0, help="Have so many of the best results reranked.")] = 0,
    json: Json = False,
    export_as: Annotated[
        str | None,
        typer.Option(
            "--export",
            metavar="FORMAT",
            help="Print the best papers, --most of them, as bibtex, ris, csl-json, csv or jsonl.",
            autocompletion=formats,
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="With --export: the greatest number of papers.")] = 1000,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="With --export: write this file, not the terminal.")
    ] = None,
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Short for --export bibtex of the -k papers.")] = False,
    ris: Annotated[bool, typer.Option("--ris", help="Short for --export ris of the -k papers.")] = False,
    open_rank: Annotated[
        int | None, typer.Option("--open", min=1, metavar="N", help="Open the paper with this number in the browser.")
    ] = None,
) -> None:
    """Search with the running service, as the page does.

    Conditions in the text: "words together", -without, ti:graph, abs:"dark matter", au:"P. Erdős", cat:cs.LG,
    submittedDate:[2023 TO 2024], ti:neuro*, cites:2101.00001, au:Verne OR au:Kestrel, (ti:a OR ti:b) ANDNOT au:c.
    docs/search.md has all.
    """
    if (text is None) == (not like):
        raise typer.BadParameter("give either a text or --like ID")
    if json + bibtex + ris + (export_as is not None) > 1:
        raise typer.BadParameter("give one of --json, --export, --bibtex and --ris")
    if bibtex or ris:
        export_as, most = "bibtex" if bibtex else "ris", k
    if output is not None and export_as is None:
        raise typer.BadParameter("--output is the file of --export FORMAT")
    if page is not None:
        offset = _offset(page, k, offset)
    body: dict[str, Any] = {"k": k, "offset": offset, "mode": mode, "operators": operators, "collapse": collapse}
    given = {
        "query": text,
        "like": like,
        "unlike": unlike,
        "categories": category,
        "categories_all": all_categories,
        "exclude_categories": exclude,
        "authors": author,
        "ids": only,
        "cites": cites,
        "cited_by": cited_by,
        "from": since,
        "to": until,
        "withdrawn": withdrawn if withdrawn != "include" else None,
        "sort": sort if sort != "relevance" else None,
        "half_life": half_life,
        "diversity": diversity,
        "citation_boost": citation_boost,
        "chase": chase,
        "highlight": why,
        "facets": facets,
        "suggest": suggest and text is not None,
        "rerank": rerank,
    }
    body.update({name: value for name, value in given.items() if value})
    if text is not None:
        body["query"] = text
    settings = read_settings()
    if export_as is not None:
        export(settings, {**body, "k": most, "format": export_as}, output)
        if open_rank is None:
            return
    answer = request_search(settings, body)
    if json:
        print_json(answer)
    elif export_as is None:
        show(answer)
        while more and _asks_for_more(answer):
            body["offset"] += k
            show(following := request_search(settings, body))
            answer |= {"k": answer["k"] + k, "results": answer["results"] + following["results"]}
        if not more and offset % k == 0 and _goes_on(answer):
            say(f"next page: --page {offset // k + 2}")
    if open_rank is not None:
        address = address_of(answer, open_rank)
        if not opened(address):
            print(address, file=sys.stderr if json or export_as else sys.stdout)


def _offset(page: int, k: int, offset: int) -> int:
    if offset:
        raise typer.BadParameter("give --page or --offset")
    if k > 0 and (page - 1) * k > _LAST_OFFSET:
        raise typer.BadParameter(
            f"pages of {k} end with page {_LAST_OFFSET // k + 1}, as no more than {_LAST_OFFSET:,} better papers are "
            "left out: narrow the search, for example by --from"
        )
    return (page - 1) * k


def _asks_for_more(answer: dict[str, Any]) -> bool:
    """Return True if there may be another page, and the user of the terminal asks for it."""
    if not (_goes_on(answer) and sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    print("Enter for the next page, q to end: ", end="", file=sys.stderr, flush=True)
    # An empty line is Enter; without any, the input has ended.
    return sys.stdin.readline() == "\n"


def _goes_on(answer: dict[str, Any]) -> bool:
    return bool(len(answer["results"]) == answer["k"] and answer["offset"] + answer["k"] <= _LAST_OFFSET)


def address_of(answer: dict[str, Any], rank: int) -> str:
    """Return the address of the paper with a number in the list that was printed.

    Raises:
        SearchFailed: No paper has that number, or the paper has no address.
    """
    first, results = answer["offset"] + 1, answer["results"]
    if not first <= rank < first + len(results):
        which = f"from {first} to {first + len(results) - 1}" if results else "none"
        raise SearchFailed(f"--open {rank}: there is no such result; the numbers are {which}")
    paper = results[rank - first]
    address = next(iter(paper["links"].values()), None)
    if address is None:
        raise SearchFailed(f"--open {rank}: {paper['id']} is not on arXiv and has no DOI, so it has no address")
    return str(address)


def opened(address: str) -> bool:
    """Return True if a browser was opened; without a display, a browser of the terminal is not wanted."""
    import os
    import webbrowser

    if sys.platform == "linux" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))):
        return False
    return webbrowser.open(address)


def request_search(settings: Settings, body: dict[str, Any]) -> dict[str, Any]:
    """Return the service's answer to a search.

    Raises:
        SearchFailed: The service does not run, or refuses the search; the message is then the service's own.
    """
    return request_answer(settings, "/search", body)


def request_answer(settings: Settings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the service's answer to a request.

    Raises:
        SearchFailed: The service does not run, or refuses the request; the message is then the service's own.
    """
    response = ask(settings.service_url, path, body)
    try:
        answer: dict[str, Any] = response.json()
    except ValueError as error:
        raise SearchFailed(
            f"{settings.service_url} answers, but is not Akin's service: check that no other program uses its port."
        ) from error
    if response.is_error:
        raise SearchFailed(answer.get("error", {}).get("message", f"the service answered {response.status_code}"))
    return answer


def show(answer: dict[str, Any]) -> None:
    """Print the papers that were found as text."""
    from rich.text import Text

    from akin.cli.output import stdout

    if answer.get("degraded"):
        say(f"note: {answer['degraded']}")
    if answer["query"].get("truncated"):
        say("note: the text is longer than the encoder reads; the dense half ignored its end")
    if operators := answer["query"]["operators"]:
        say(f"note: read as conditions: {', '.join(operators)}")
    for note in answer.get("notes", ()):
        say(f"note: {note}")
    for one in answer.get("suggestions", ()):
        more = "".join(f" --{name} {value}" for name, value in one.get("parameters", {}).items())
        say(f"perhaps {one['label']}: {one['query']}{more}")
    if order := answer.get("sort"):
        half_life = f", a score halves every {order['half_life']:g} years" if "half_life" in order else ""
        which = "matches" if order["complete"] else "best matches"
        say(f"note: sorted: {order['by']}, of {order['papers']:,} {which}{half_life}")
    if not answer["results"]:
        stdout.print("no paper matches")
    for rank, paper in enumerate(answer["results"], start=answer["offset"] + 1):
        year = (paper["date"] or "")[:4]
        authors = ", ".join(paper["authors"][:3]) + (" and others" if len(paper["authors"]) > 3 else "")
        stdout.print(
            Text.assemble(
                (f"{rank:>3}  ", "dim"),
                (paper["title"], "bold"),
                ("  withdrawn" if paper.get("withdrawn") else "", "red"),
                (f"  {paper['score']:.3f}", "cyan"),
            )
        )
        cited = f"cited by {paper['citations']['total']:,}" if "citations" in paper else ""
        details = "  ".join(
            filter(None, [authors, year, paper["primary_subject"], cited, paper["links"].get("abs", paper["id"])])
        )
        stdout.print(Text(f"     {details}", style="dim"))
        if why := paper.get("highlights", {}).get("why"):
            stdout.print(Text(f"     {why}", style="italic"))
        if paper["duplicates"]:
            stdout.print(Text(f"     also as {', '.join(paper['duplicates'])}", style="dim"))
    for paper in answer.get("chased", ()):
        stdout.print(Text.assemble("  +  ", (paper["title"], "bold"), (f"  {paper['score']:.3f}", "cyan")))
        stdout.print(Text(f"     {paper['why']}", style="italic"))
        stdout.print(Text(f"     {paper['links'].get('abs', paper['id'])}", style="dim"))
    if facets := answer.get("facets"):
        for name, key, counts in (("years", "year", facets["years"]), ("categories", "code", facets["categories"])):
            shown = ", ".join(f"{one[key]} ({one['papers']:,})" for one in counts)
            stdout.print(Text(f"{name}: {shown}"))
        say(f"note: counted among {'all' if facets['complete'] else 'the best'} {facets['papers']:,} matches")
    timings = answer["timings"]
    stages = ", ".join(
        f"{name.removesuffix('_ms')} {value:.1f}" for name, value in timings.items() if name != "total_ms"
    )
    say(f"{counted(answer['searched'], 'paper')} searched in {timings['total_ms']:.1f} ms ({stages}); {answer['mode']}")
