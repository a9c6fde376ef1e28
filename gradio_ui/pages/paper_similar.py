"""The papers that are similar to one: their order, filters and pages are in the address."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Final

from starlette.requests import Request

from gradio_ui.answers import Answer, FoundPaper, WholePaper
from gradio_ui.card import date_of, tex_class
from gradio_ui.pages.document import language_field
from gradio_ui.pages.site import Site
from gradio_ui.pages.visit import Visit
from gradio_ui.said import lacking, of_service
from gradio_ui.state import PageState, read_address
from gradio_ui.words import written_html

_SORTS: Final = ("relevance", "newest", "oldest")
_CATEGORIES: Final = 30
_AUTHORS: Final = 4


async def similar(request: Request, site: Site, paper: WholePaper) -> str:
    """Return the section with the papers similar to a paper.

    Raises:
        RequestFailed: The service gave no usable answer.
    """
    visit = site.visit(request)
    given, notes = read_address(request.url.query)
    state = replace(given, q="", like=(paper.id,), unlike=(), deep=False)
    answer = await site.service.similar(state)
    told = "".join(
        f'<p class="akin-notice">{written_html(note, visit.words)}</p>'
        for note in (*notes, *of_service(answer.notes, answer.coded_notes))
    )
    if answer.degraded:
        told += f'<p class="akin-notice">{escape(lacking(answer, visit.words))}</p>'
    found = "".join(item(visit, one) for one in answer.results)
    listed = (
        f'<ol class="akin-list" start="{answer.offset + 1}">{found}</ol>'
        if found
        else f"<p>{escape(visit.words('paper.none_similar'))}</p>"
    )
    search = escape(visit.link("", like=paper.id))
    return (
        f'<section id="similar" class="akin-alike"><h2>{escape(visit.words("paper.similar"))}</h2>'
        f"{_form(visit, paper, state, answer)}{told}{listed}{_pages(visit, paper, state, answer)}"
        f'<p><a href="{search}">{escape(visit.words("paper.search_like"))}</a></p></section>'
    )


def _form(visit: Visit, paper: WholePaper, state: PageState, answer: Answer) -> str:
    text = visit.words
    sorts = "".join(
        f'<option value="{sort}"{_selected(sort == state.sort)}>{escape(text(f"paper.sort_{sort}"))}</option>'
        for sort in _SORTS
    )
    counted = [one.code for one in answer.facets.categories[:_CATEGORIES]] if answer.facets else []
    codes = dict.fromkeys([*state.categories, *counted])
    options = "".join(
        f'<option value="{escape(code)}"{_selected(code in state.categories)}>{escape(code)}</option>' for code in codes
    )
    years = "".join(
        f'<label>{escape(text(f"paper.{name}"))} <input type="number" name="{name}" min="1000" max="9999" '
        f'inputmode="numeric" value="{value or ""}"></label>'
        for name, value in (("from", state.from_year), ("to", state.to_year))
    )
    language = language_field(visit)
    address = escape(replace(visit, asked=False).link(f"paper/{paper.id}"))
    return (
        f'<form class="akin-narrow" action="{address}#similar">{language}'
        f'<label>{escape(text("paper.sort"))} <select name="sort">{sorts}</select></label>{years}'
        f'<label>{escape(text("paper.category"))} <select name="categories"><option value="">'
        f"{escape(text('paper.any_category'))}</option>{options}</select></label>"
        f"<button>{escape(text('paper.show'))}</button></form>"
    )


def _selected(is_selected: bool) -> str:
    return " selected" if is_selected else ""


def item(visit: Visit, paper: FoundPaper) -> str:
    """Return a paper of a list, with a link to its own page."""
    text = visit.words
    authors = ", ".join(paper.authors[:_AUTHORS])
    if max(paper.author_count, len(paper.authors)) > _AUTHORS:
        authors += text("paper.and_others")
    withdrawn = text("paper.is_withdrawn") if paper.withdrawn else ""
    named = [escape(authors), date_of(paper.date, text), escape(", ".join(paper.categories[:4])), escape(withdrawn)]
    facts = " · ".join(filter(None, named))
    return (
        f'<li><a class="akin-title{tex_class(paper.title)}" href="{escape(visit.link(f"paper/{paper.id}"))}">'
        f'{escape(paper.title or paper.id)}</a><p class="akin-soft">{facts}</p></li>'
    )


def _pages(visit: Visit, paper: WholePaper, state: PageState, answer: Answer) -> str:
    text = visit.words
    links = []
    if state.offset:
        links.append(_page_link(visit, paper, state.previous_page(), "prev", text("paper.previous")))
    following = state.next_page()
    if answer.results and answer.next_cursor is not None and following is not None:
        links.append(_page_link(visit, paper, following, "next", text("paper.next")))
    label = escape(text("paper.pages"))
    return f'<nav class="akin-pages" aria-label="{label}">{"".join(links)}</nav>' if links else ""


def _page_link(visit: Visit, paper: WholePaper, state: PageState, relation: str, name: str) -> str:
    fields = {
        "sort": state.sort if state.sort != "relevance" else "",
        "from": str(state.from_year or ""),
        "to": str(state.to_year or ""),
        "categories": ",".join(state.categories),
        "offset": str(state.offset or ""),
    }
    query = {key: value for key, value in fields.items() if value}
    style = "akin-page akin-next" if relation == "next" else "akin-page"
    address = escape(visit.link(f"paper/{paper.id}", **query))
    return f'<a class="{style}" rel="{relation}" href="{address}#similar">{escape(name)}</a>'
