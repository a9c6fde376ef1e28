"""HTML of the papers that the best results cite, or that cite them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from gradio_ui.answers import Answer, ChasedPaper
from gradio_ui.card import date_of, list_button, tex_class, title_link
from gradio_ui.state import PageState
from gradio_ui.words import Words

_TITLES: Final = 3
_LONGEST: Final = 60  # characters of a title


def chased(state: PageState, answer: Answer, text: Words) -> str:
    """Return the section of the chased papers, each with the results that it is linked with; empty if none are wanted.

    Args:
        state: The search.
        answer: The service's answer; its results give the titles of those that they are linked with.
        text: The texts in the reader's language.
    """
    if not state.chase:
        return ""
    titles = {paper.id: paper.title for paper in answer.results}
    papers = "".join(f"<li>{_paper(paper, titles, state, text)}</li>" for paper in answer.chased)
    found = f'<ol class="akin-chased-list">{papers}</ol>' if papers else ""
    about = escape(text("chased.about" if papers else "chased.none"))
    return (
        '<section class="akin-chased" aria-labelledby="akin-chased">'
        f'<h2 id="akin-chased">{escape(text("chased.title"))}</h2><p>{about}</p>{found}</section>'
    )


def _paper(paper: ChasedPaper, titles: Mapping[str, str], state: PageState, text: Words) -> str:
    ways = (("cited_by", paper.cited_by), ("cites", paper.cites))
    why = "; ".join(_linked(way, ids, titles, text) for way, ids in ways if ids)
    named = "".join(titles.get(each, "") for each in (*paper.cited_by, *paper.cites))
    return (
        f'<article data-id="{escape(paper.id)}"><h3 class="akin-newest-title{tex_class(paper.title)}">'
        f'{title_link(paper, state)}</h3><p class="akin-facts">{date_of(paper.shown_date, text)}'
        f'<span class="akin-why{tex_class(named)}">{escape(why)}</span>{list_button(paper.id, text)}</p></article>'
    )


def _linked(way: str, ids: Sequence[str], titles: Mapping[str, str], text: Words) -> str:
    """Return with which of the best results a paper is linked; those of other pages are named by their ids."""
    shown = ", ".join(text("note.quoted", value=_short(titles.get(each, each))) for each in ids[:_TITLES])
    if (more := len(ids) - _TITLES) > 0:
        shown = text("chased.and_more", titles=shown, number=more)
    return text.count(f"chased.{way}", len(ids), titles=shown)


def _short(title: str) -> str:
    return title if len(title) <= _LONGEST else f"{title[:_LONGEST].rstrip()}…"
