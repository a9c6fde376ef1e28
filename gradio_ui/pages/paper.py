"""A paper's own page: what is known of it, how to cite it, and the papers around it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gradio_ui.answers import LinkedPapers, WholePaper
from gradio_ui.card import author_query, date_of, external_link, is_one_term, list_button, tex_class, web_link
from gradio_ui.citations import FORMATS
from gradio_ui.client import RequestFailed, RequestRefused
from gradio_ui.pages.paper_map import neighbourhood
from gradio_ui.pages.paper_similar import item, similar
from gradio_ui.pages.site import Site
from gradio_ui.pages.visit import Visit
from gradio_ui.words import written_html

_LINKED: Final = {"cited-by": ("paper.cited_by", "cites"), "references": ("paper.references", "cited-by")}
"""For each list of the service, the key of its heading, and the condition that finds all of it."""

Section = Callable[[Request, Site, WholePaper], Awaitable[str]]
"""Returns the HTML of a section about a paper, from its heading on; empty for none."""


async def show(request: Request, site: Site) -> Response:
    """Answer with the page of a paper; an id in another form than the corpus's is redirected to that form."""
    visit = site.visit(request)
    asked = request.path_params["paper_id"]
    if not asked.strip():
        return site.not_found(request.scope)
    try:
        paper = await site.service.paper(asked)
    except RequestRefused as error:
        if error.code != "unknown_paper":
            raise
        return _unknown(request, site, asked)
    if paper.id != asked:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{replace(visit, asked=False).link(f'paper/{paper.id}')}{query}", 302)
    parts = await asyncio.gather(*(section(request, site, paper) for section in SECTIONS))
    body = f'<article class="akin-whole">{_about(visit, paper)}{"".join(parts)}</article>'
    title = paper.title or paper.id
    return site.page(request, title[:200], body, scripts=("paper.js",), styles=("paper.css",))


async def cite(request: Request, site: Site, paper: WholePaper) -> str:
    """Return the citations of a paper in all formats, each with a button that copies it."""
    visit = site.visit(request)
    text = visit.words
    try:
        written = await asyncio.gather(*(site.service.citation(paper.id, form) for form in FORMATS))
    except RequestFailed as error:
        return _missing(visit, "paper.cite", error)
    items = "".join(
        f'<details name="akin-cite"{" open" if form == "bibtex" else ""}><summary>{name}</summary>'
        f'<div class="akin-source"><button type="button" data-akin-copy hidden>{escape(text("paper.copy"))}</button>'
        f'<pre tabindex="0" aria-label="{name}">{escape(citation)}</pre></div></details>'
        for (form, name), citation in zip(FORMATS.items(), written, strict=True)
    )
    return f'<section class="akin-citations"><h2>{escape(text("paper.cite"))}</h2>{items}</section>'


async def around(request: Request, site: Site, paper: WholePaper) -> str:
    """Return the drawing of the papers that are nearest to a paper."""
    visit = site.visit(request)
    try:
        drawn = await site.service.neighbourhood(paper.id)
    except RequestFailed as error:
        return _missing(visit, "paper.around", error)
    return neighbourhood(visit, drawn)


async def linked(request: Request, site: Site, paper: WholePaper) -> str:
    """Return the most cited papers that a paper cites, and that cite it; nothing if the corpus has no references."""
    visit = site.visit(request)
    try:
        both = await asyncio.gather(*(site.service.linked(paper.id, kind) for kind in _LINKED))
    except RequestFailed as error:
        if isinstance(error, RequestRefused) and error.code == "no_references":
            return ""
        return _missing(visit, "paper.cited_by", error)
    return "".join(
        _linked(visit, heading, condition, paper.id, found)
        for (heading, condition), found in zip(_LINKED.values(), both, strict=True)
    )


def _linked(visit: Visit, heading: str, condition: str, paper_id: str, found: LinkedPapers) -> str:
    text = visit.words
    title = f"<h2>{escape(text(heading))} ({escape(text.number(found.total))})</h2>"
    listed = "".join(item(visit, one) for one in found.results)
    every = (
        f'<p><a href="{escape(visit.link("", q=f"{condition}:{paper_id}"))}">{escape(text("paper.all_linked"))}</a></p>'
    )
    rest = every if found.total > len(found.results) and is_one_term(paper_id) else ""
    shown = f'<ol class="akin-list">{listed}</ol>' if listed else f"<p>{escape(text('paper.none_linked'))}</p>"
    return f'<section class="akin-alike">{title}{shown}{rest}</section>'


async def like(request: Request, site: Site, paper: WholePaper) -> str:
    """Return the papers that are similar to a paper, in the order and with the filters of the address."""
    visit = site.visit(request)
    try:
        return await similar(request, site, paper)
    except RequestFailed as error:
        return _missing(visit, "paper.similar", error, "similar")


SECTIONS: Final[tuple[Section, ...]] = (cite, linked, around, like)
"""The sections of the page in their order; they are made at the same time, and one that fails says so in its place."""


def _unknown(request: Request, site: Site, asked: str) -> Response:
    visit = site.visit(request)
    title, address = visit.words("paper.unknown"), escape(visit.link("", q=asked[:200]))
    body = (
        f'<section class="akin-problem"><h1>{escape(title)}</h1><p><code>{escape(asked[:80])}</code></p>'
        f"<p>{escape(visit.words('paper.unknown_advice'))}</p>"
        f'<p><a href="{address}">{escape(visit.words("paper.unknown_search"))}</a></p></section>'
    )
    return site.page(request, title, body, status=404)


def _missing(visit: Visit, heading: str, error: RequestFailed, place: str = "") -> str:
    name = f' id="{place}"' if place else ""
    told = written_html(error.said, visit.words)
    return f'<section{name}><h2>{escape(visit.words(heading))}</h2><p class="akin-notice">{told}</p></section>'


def _about(visit: Visit, paper: WholePaper) -> str:
    text = visit.words
    title = f'<h1 class="akin-heading{tex_class(paper.title)}" dir="auto">{escape(paper.title or paper.id)}</h1>'
    withdrawn = f'<p class="akin-notice">{escape(text("paper.withdrawn"))}</p>' if paper.withdrawn else ""
    abstract = (
        f'<h2>{escape(text("paper.abstract"))}</h2><p class="akin-text{tex_class(paper.abstract)}" dir="auto">'
        f"{escape(paper.abstract)}</p>"
        if paper.abstract.strip()
        else f'<p class="akin-soft">{escape(text("paper.no_abstract"))}</p>'
    )
    return f"{title}{_authors(visit, paper)}{_links(visit, paper)}{withdrawn}{_facts(visit, paper)}{abstract}"


def _authors(visit: Visit, paper: WholePaper) -> str:
    if not paper.authors:
        return ""
    names = []
    for name in paper.authors:
        query = author_query(name)
        link = escape(visit.link("", q=query))
        names.append(f'<a class="akin-author" href="{link}">{escape(name)}</a>' if query else escape(name))
    return f'<p class="akin-authors">{", ".join(names)}</p>'


def _links(visit: Visit, paper: WholePaper) -> str:
    text = visit.words
    named = (("abs", "arXiv"), ("pdf", "PDF"), ("html", "HTML"), ("doi", "DOI"))
    links = "".join(external_link(link, name) for key, name in named if (link := web_link(paper.links.get(key))))
    feed = f'<a href="{escape(visit.link("feed", like=paper.id))}">{escape(text("paper.feed"))}</a>'
    return f'<p class="akin-actions">{links}{feed}{list_button(paper.id, text)}</p>'


def _facts(visit: Visit, paper: WholePaper) -> str:
    text = visit.words
    categories = ", ".join(
        f'<a href="{escape(visit.link("", q=f"cat:{code}", sort="newest"))}">{escape(name)}</a>'
        if " " not in code
        else escape(code)
        for code, name in zip(paper.categories, paper.subjects or paper.categories, strict=False)
    )
    facts = [
        ("id", escape(paper.arxiv_id or paper.id)),
        ("published", date_of(paper.published, text)),
        ("updated", date_of(paper.updated, text) if paper.updated != paper.published else ""),
        ("versions", text.number(paper.versions) if paper.versions else ""),
        ("categories", categories),
        ("journal", _text(paper.journal_ref)),
        ("", escape(paper.doi or "")),
        ("comments", _text(paper.comments)),
    ]
    rows = "".join(
        f"<div><dt>{escape(text(f'paper.{key}')) if key else 'DOI'}</dt><dd>{html}</dd></div>"
        for key, html in facts
        if html
    )
    return f'<dl class="akin-known">{rows}</dl>'


def _text(text: str | None) -> str:
    return f'<span class="{tex_class(text).strip()}" dir="auto">{escape(text)}</span>' if text else ""
