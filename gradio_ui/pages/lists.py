"""Page of the reading lists, which the browser keeps (`lists.js`, `list.js`), and the questions that it asks.

The server stores no list: each question names its papers.
"""

from __future__ import annotations

from html import escape
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gradio_ui.answers import Answer, FoundPaper, ListedPapers, Missing, NearPaper, Resolved
from gradio_ui.card import web_link
from gradio_ui.citations import EXPORTS
from gradio_ui.client import RequestRefused
from gradio_ui.pages.export import passed_on
from gradio_ui.pages.site import Site
from gradio_ui.pages.visit import Visit
from gradio_ui.said import lacking, of_service
from gradio_ui.words import DEFAULT, ServiceText, Words, note, written

MOST_ASKED: Final = 1000
"""Papers that one question may name; the service's own limit."""
LONGEST_BODY: Final = 640 * 1024
"""Bytes of a question: so many ids, the longest of which have 500 characters, are rare."""
LONGEST_IMPORT: Final = 4 << 20
"""Bytes of a text with references."""
_AUTHORS_SHOWN: Final = 3
_K: Final = 20
_MOST_WANTED: Final = 100

_Id = Annotated[str, StringConstraints(min_length=1, max_length=500)]
_Ids = Annotated[list[_Id], Field(min_length=1, max_length=MOST_ASKED)]
_MaybeIds = Annotated[list[_Id], Field(max_length=MOST_ASKED)]


class Listed(BaseModel):
    """Papers of a list, and papers that answers are to be unlike."""

    model_config = ConfigDict(extra="forbid")

    ids: _Ids
    unlike: _MaybeIds = []


class Within(BaseModel):
    """Papers of a list, and what to look for among them."""

    model_config = ConfigDict(extra="forbid")

    ids: _Ids
    text: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class Import(BaseModel):
    """Text with references or ids, which the browser read from a file."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]


class Export(BaseModel):
    """Papers of a list, and the format of a file of them."""

    model_config = ConfigDict(extra="forbid")

    ids: _Ids
    format: Literal["bibtex", "ris", "csl-json", "csv", "jsonl"]


async def show(request: Request, site: Site) -> Response:
    """Return the page; its script fills it from the browser's lists, or from the list in the address."""
    visit = site.visit(request)
    return site.page(
        request,
        visit.words("list.title"),
        _body(visit),
        scripts=("list.js", "list_import.js"),
        styles=("list.css",),
        here="list",
    )


async def papers(request: Request, site: Site, body: Listed) -> Response:
    """Return the papers of a list, each with the ids that mean it, and the ids that the corpus lacks."""
    text = site.visit(request).words
    found = await site.service.ask("/papers", ListedPapers, {"ids": body.ids})
    known = [{**_shown(paper, text), "named": paper.named} for paper in found.papers]
    return JSONResponse({"papers": known, "unknown": found.unknown})


async def like(request: Request, site: Site, body: Listed) -> Response:
    """Return papers like those of a list."""
    text = site.visit(request).words
    asked: dict[str, object] = {"like": body.ids, "unlike": body.unlike, "k": _wanted(body)}
    found = await site.service.ask("/search", Answer, asked)
    return JSONResponse({"papers": [_shown(paper, text) for paper in found.results], "notes": _notes(found, text)})


async def within(request: Request, site: Site, body: Within) -> Response:
    """Return the papers of a list that fit a text best."""
    text = site.visit(request).words
    found = await site.service.ask("/search", Answer, {"query": body.text, "ids": body.ids, "k": _K})
    return JSONResponse({"papers": [_shown(paper, text) for paper in found.results], "notes": _notes(found, text)})


async def missing(request: Request, site: Site, body: Listed) -> Response:
    """Return papers that a list lacks, each with the papers of the list that it is near to."""
    text = site.visit(request).words
    asked: dict[str, object] = {"ids": body.ids, "unlike": body.unlike, "k": _wanted(body)}
    found = await site.service.ask("/lists/missing", Missing, asked)
    shown = [
        {**_shown(paper, text), "topic": paper.topic + 1, "near": list(map(_named, paper.near))}
        for paper in found.results
    ]
    topics = [{"papers": topic.papers, "near": list(map(_named, topic.near))} for topic in found.topics]
    return JSONResponse(
        {
            "papers": shown,
            "topics": topics,
            "notes": [written(note, text) for note in of_service(found.notes, found.coded_notes)],
        }
    )


async def resolve(request: Request, site: Site, body: Import) -> Response:
    """Return what each reference of a text means: a paper, candidates, or nothing."""
    try:
        found = await site.service.ask("/references/resolve", Resolved, {"text": body.text})
    except RequestRefused as error:
        if error.code != "invalid_parameter":
            raise
        most = error.said.values.get("limit") if isinstance(error.said, ServiceText) else None
        said = note("list.many_references", most=most) if most else note("list.no_reference")
        raise RequestRefused(said, error.code) from error
    text = site.visit(request).words
    problem = None if text.language == DEFAULT else text("list.unreadable")  # the service has the reason in English
    references = [
        {**each.model_dump(), "problem": each.problem and (problem or each.problem)} for each in found.references
    ]
    return JSONResponse({"references": references})


async def export(request: Request, site: Site, body: Export) -> Response:
    """Return a file of the papers of a list, as the service writes it."""
    return passed_on(await site.service.open_export({"ids": body.ids, "format": body.format}))


def _wanted(body: Listed) -> int:
    """Return the number of papers to ask for: the script leaves out those of a list that is longer than a question."""
    return _K if max(len(body.ids), len(body.unlike)) < MOST_ASKED else _MOST_WANTED


def _notes(found: Answer, text: Words) -> list[str]:
    notes = (lacking(found, text), *of_service(found.notes, found.coded_notes))
    return [written(note, text) for note in notes if note]


def _named(paper: NearPaper) -> dict[str, str]:
    return {"id": paper.id, "title": paper.title}


def _shown(paper: FoundPaper, text: Words) -> dict[str, object]:
    """Return what the page shows of a paper, as plain text."""
    names = ", ".join(paper.authors[:_AUTHORS_SHOWN])
    if (more := max(paper.author_count, len(paper.authors)) - _AUTHORS_SHOWN) > 0:
        names = text("list.authors", names=names, more=more)
    return {
        "id": paper.id,
        "title": paper.title,
        "by": names,
        "date": paper.date or "",
        "categories": list(paper.categories[:4]),
        "withdrawn": paper.withdrawn,
        "arxiv" if paper.arxiv_id else "page": web_link(paper.links.get("abs")) or "",
        "pdf": web_link(paper.links.get("pdf")) or "",
    }


def _body(visit: Visit) -> str:
    def text(key: str) -> str:
        return escape(visit.words(f"list.{key}"))

    def button(name: str) -> str:
        return f'<button type="button" id="akin-list-{name}">{text(name)}</button>'

    files = "".join(
        f'<button type="button" data-akin-export="{form}">{escape(name)}</button>' for form, name in EXPORTS.items()
    )
    orders = "".join(
        f'<option value="{order}">{text(f"sort_{order}")}</option>' for order in ("added", "date", "title")
    )
    return f"""<h1>{text("title")}</h1><p>{text("about")}</p>
<noscript><p class="akin-problem">{text("noscript")}</p></noscript>
<p id="akin-list-trouble" class="akin-problem" role="alert" hidden></p>
<section id="akin-list-shared" class="akin-problem" aria-label="{text("shared_label")}" hidden><p></p>
{button("keep")} <a href="{escape(visit.link("list"))}">{text("own")}</a></section>
<div id="akin-list-own" class="akin-list-row">
<label>{text("choice")} <select id="akin-list-choice"></select></label>
<label>{text("name")} <input id="akin-list-name" maxlength="80" autocomplete="off"></label>
{button("new")}{button("delete")}</div>
<div class="akin-list-row" role="group" aria-label="{text("tools")}">
{button("like")}{button("missing")}{button("share")}
<details id="akin-list-files"><summary>{text("export")}</summary><div>{files}</div></details>
<details id="akin-list-import"><summary>{text("import")}</summary><div>
<label>{text("import_text")}<textarea id="akin-list-text" rows="6" spellcheck="false"></textarea></label>
<label>{text("import_file")}
<input type="file" id="akin-list-file" accept=".bib,.ris,.nbib,.txt,.json,.jsonl,.csv"></label>
{button("look")}<div id="akin-list-found" role="status"></div></div></details></div>
<form id="akin-list-within" class="akin-list-row" role="search">
<label class="akin-hidden" for="akin-list-query">{text("within_label")}</label>
<input type="search" id="akin-list-query" placeholder="{text("within_label")}" maxlength="2000">
<button>{text("within")}</button></form>
<section id="akin-list-asked" aria-live="polite" tabindex="-1"></section>
<div class="akin-list-row"><p id="akin-list-size" role="status"></p>
<label>{text("sort")} <select id="akin-list-sort">{orders}</select></label></div>
<h2 class="akin-hidden">{text("papers_heading")}</h2>
<ol id="akin-list-papers" class="akin-list"></ol>
<button type="button" id="akin-list-more" hidden>{text("more")}</button>"""
