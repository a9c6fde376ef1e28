"""One result as HTML. All texts of a paper are untrusted and are escaped here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from html import escape
from typing import Final
from urllib.parse import quote, urlsplit

from gradio_ui.answers import CitationCounts, FoundPaper, Highlights
from gradio_ui.citations import FORMATS
from gradio_ui.marks import excerpt, marked
from gradio_ui.said import joined
from gradio_ui.state import MODES, PageState
from gradio_ui.words import Words, written_html

AUTHORS_SHOWN: Final = 8
_AUTHORS_NAMED: Final = 50
_CATEGORIES_SHOWN: Final = 6
# About four lines of the page. The style sheet cuts longer abstracts only, so shorter ones need no control to open.
_LONG_ABSTRACT: Final = 380
_SHOWN_FIRST: Final = 280  # characters after which a sentence begins below the lines that are shown
_FORMATS: Final = "".join(
    f'<button type="button" data-akin-format="{form}">{name}</button>' for form, name in FORMATS.items()
)
_LONGEST_ADDRESS: Final = 2_000  # limits the time of parsing


def paper_card(
    paper: FoundPaper,
    rank: int,
    best_score: float,
    state: PageState,
    names: Mapping[str, str],
    text: Words,
    *,
    marks: str = "",
) -> str:
    """Return one result as an `article`.

    Args:
        paper: The result.
        rank: The place among all results, from 1.
        best_score: The highest score in the same answer; the bar is relative to it.
        state: The search that found the paper; text("card.similar") keeps its mode, order and filters.
        names: The names of categories by code.
        text: The texts in the reader's language.
        marks: HTML of the buttons for feedback, where the service keeps any.
    """
    heading = f"akin-title-{rank}"
    return (
        f'<article class="akin-paper" aria-labelledby="{heading}" data-id="{escape(paper.id)}">'
        f'<div class="akin-rank"><span class="akin-number">{rank}</span>{_score_bar(paper, best_score, text)}</div>'
        f'<div class="akin-body"><h3 class="akin-title{tex_class(paper.title)}" id="{heading}">'
        f"{title_link(paper, state)}</h3>{_authors(paper, state, text)}{_facts(paper, state, names, text)}"
        f"{_abstract(paper)}{_why(paper, text)}{_actions(paper, state, text, marks)}</div></article>"
    )


def tex_class(text: str) -> str:
    """Return the class of an element whose text may have formulas: the page's script shows them."""
    return " akin-tex" if "$" in text or "\\(" in text or "\\[" in text else ""


def web_link(address: str | None) -> str | None:
    """Return the address if it is safe as a link (http or https, of limited length), otherwise None."""
    if address is None or len(address) > _LONGEST_ADDRESS:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in {"http", "https"} and parts.netloc else None


def title_link(paper: FoundPaper, state: PageState) -> str:
    """Return the title, with the query's words marked, as a link to the paper."""
    title = marked(paper.title, paper.highlights.title if paper.highlights else ())
    link = web_link(paper.links.get("abs"))
    if link:
        return external_link(link, title)
    return f'<a href="{escape(own_page(paper.id, state))}">{title}</a>'


def own_page(paper_id: str, state: PageState) -> str:
    """Return the address of a paper's own page, relative to the search page, in the language of a search."""
    return f"paper/{quote(paper_id, safe='/:')}{state.fresh().address()}"


def _abstract(paper: FoundPaper) -> str:
    """Return the abstract; before a long one, its best sentence if that is not among those that are shown first."""
    text, found = paper.abstract, paper.highlights or Highlights()
    if not text.strip():
        return ""
    look = f'{tex_class(text)}" dir="auto"'
    fit = ""
    if (
        found.sentence
        and len(text) > _LONG_ABSTRACT
        and _SHOWN_FIRST < found.sentence[0] < found.sentence[1] <= len(text)
    ):
        fit = f'<p class="akin-fit{look}>… {excerpt(text, found.abstract, found.sentence)}</p>'
    return f'{fit}<p class="akin-abstract{look}>{marked(text, found.abstract, found.sentence)}</p>'


def _why(paper: FoundPaper, text: Words) -> str:
    if not paper.highlights or not paper.highlights.why:
        return ""
    english = paper.highlights.why
    why = joined(english, paper.highlights.coded_why, "; ", text)
    return f'<p class="akin-why">{written_html(why, text) if why == english else escape(why)}</p>'


def external_link(link: str, inner: str) -> str:
    """Return a link to another site, which opens beside the page and is not told of it."""
    return f'<a href="{escape(link)}" target="_blank" rel="noopener noreferrer">{inner}</a>'


def _authors(paper: FoundPaper, state: PageState, text: Words) -> str:
    authors = paper.authors
    if not authors:
        return ""
    shown = ", ".join(_author(name, state) for name in authors[:AUTHORS_SHOWN])
    if (more := max(paper.author_count, len(authors)) - AUTHORS_SHOWN) > 0:
        others = escape(", ".join(authors[AUTHORS_SHOWN:_AUTHORS_NAMED]))
        shown += f' <span class="akin-others" title="{others}">{escape(text("card.more_authors", number=more))}</span>'
    return f'<p class="akin-authors">{shown}</p>'


def author_query(name: str) -> str:
    """Return the query for the papers of an author; empty for a name without letters."""
    # The query has no sign for a quotation mark within a phrase.
    plain = name.replace('"', "").strip()
    return f'au:"{plain}"' if any(map(str.isalpha, plain)) else ""


def _author(name: str, state: PageState) -> str:
    """Return a name as a link to the papers of this author."""
    query = author_query(name)
    if not query:
        return escape(name)
    address = escape(state.fresh(query).address())
    return f'<a class="akin-author" data-akin-go href="{address}">{escape(name)}</a>'


def _facts(paper: FoundPaper, state: PageState, names: Mapping[str, str], text: Words) -> str:
    chips = "".join(
        f'<li class="akin-chip"><a data-akin-go href="{escape(state.only_category(code).address())}" '
        f'title="{escape(text("facets.only", category=names.get(code, code)))}">{escape(code)}</a></li>'
        for code in paper.categories[:_CATEGORIES_SHOWN]
    )
    flag = f'<strong class="akin-withdrawn">{escape(text("card.withdrawn"))}</strong>' if paper.withdrawn else ""
    label = escape(text("card.categories"))
    facts = flag + date_of(paper.shown_date, text)
    facts += f'<ul class="akin-chips" aria-label="{label}">{chips}</ul>' if chips else ""
    if paper.journal_ref:
        facts += f'<span class="akin-journal{tex_class(paper.journal_ref)}">{escape(paper.journal_ref)}</span>'
    if paper.citations:
        facts += _cited_by(paper.id, paper.citations, state, text)
    if paper.versions > 1:
        facts += f"<span>{escape(text('card.versions', number=paper.versions))}</span>"
    if paper.comments:
        facts += f'<span class="akin-comments{tex_class(paper.comments)}">{escape(paper.comments)}</span>'
    if paper.duplicates:
        also = text("card.duplicates", ids=", ".join(paper.duplicates))
        facts += f'<span class="akin-journal">{escape(also)}</span>'
    return f'<div class="akin-facts">{facts}</div>' if facts else ""


def is_one_term(paper_id: str) -> bool:
    """Return True if an id can be the value of a condition, which a space, a quotation mark or a comma ends."""
    return not any(sign in paper_id for sign in ' ",')


def _cited_by(paper_id: str, citations: CitationCounts, state: PageState, text: Words) -> str:
    """Return how often a paper is cited; as a link to the papers that cite it, if the corpus has any."""
    said = escape(text.count("card.cited_by", citations.total))
    if not citations.in_corpus or not is_one_term(paper_id):
        return f'<span class="akin-cited-by">{said}</span>'
    address = escape(state.fresh(f"cites:{paper_id}").address())
    return f'<a class="akin-cited-by" data-akin-go href="{address}">{said}</a>'


def date_of(iso: str | None, text: Words) -> str:
    """Return a date in the reader's language; a text that is none as it is."""
    if not iso:
        return ""
    try:
        day = date.fromisoformat(iso)
    except ValueError:
        return f'<span class="akin-date">{escape(iso)}</span>'
    return f'<time class="akin-date" datetime="{day.isoformat()}">{escape(text.day(day))}</time>'


def _score_bar(paper: FoundPaper, best_score: float, text: Words) -> str:
    share = min(max(paper.score / best_score, 0.0), 1.0) if best_score > 0 else 0.0
    score = text("card.score", score=text.decimal(f"{paper.score:.3f}"), share=round(share * 100))
    found = [(name, value) for name, value in paper.sources.items() if value is not None]
    sources = [f"{_source(name, text)} {text.decimal(f'{value:.3g}')}" for name, value in found]
    label = escape(", ".join([score, *sources]))
    return (
        f'<div class="akin-score" role="meter" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{share * 100:.0f}" '
        f'aria-label="{label}" title="{label}"><span style="width:{share:.1%}"></span></div>'
    )


def _source(name: str, text: Words) -> str:
    return text(f"mode.{name}").lower() if name in MODES else name


def _internal_link(state: PageState, label: str) -> str:
    return f'<a class="akin-similar" data-akin-go href="{escape(state.address())}">{escape(label)}</a>'


def list_button(paper_id: str, text: Words) -> str:
    """Return the button that puts a paper on the reader's list; `lists.js` presses it."""
    added = escape(text("script.list.add"))
    return f'<button type="button" data-akin-list="{escape(paper_id)}" aria-pressed="false">{added}</button>'


def _actions(paper: FoundPaper, state: PageState, text: Words, marks: str) -> str:
    whole = f'<details class="akin-more"><summary>{escape(text("card.whole"))}</summary></details>'
    items = [whole] if len(paper.abstract) > _LONG_ABSTRACT else []
    items.append(f'<a class="akin-own" href="{escape(own_page(paper.id, state))}">{escape(text("card.details"))}</a>')
    page = text("card.page")
    for name, label in (("abs", "arXiv" if paper.arxiv_id else page), ("pdf", "PDF"), ("doi", "DOI"), ("url", page)):
        if link := web_link(paper.links.get(name)):
            items.append(external_link(link, escape(label)))
    items.append(_internal_link(state.similar_to(paper.id), text("card.similar")))
    if state.like:
        items.append(_internal_link(state.also_like(paper.id), text("card.like_too")))
        items.append(_internal_link(state.not_like(paper.id), text("card.not_like")))
    items.append(list_button(paper.id, text))
    items.append(
        f'<details class="akin-cite" data-akin-cite="{escape(paper.id)}"><summary>{escape(text("card.cite"))}</summary>'
        f'<div class="akin-bibtex"><div class="akin-formats">{_FORMATS}'
        f'<button type="button" data-akin-copy>{escape(text("card.copy"))}</button></div>'
        '<pre aria-live="polite"></pre></div></details>'
    )
    return f'<div class="akin-actions">{"".join(items)}{marks}</div>'
