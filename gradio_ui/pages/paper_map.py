"""The papers nearest to one as an SVG, with the same papers as a list beside it."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Final

from gradio_ui.answers import DrawnPaper, Neighbourhood
from gradio_ui.card import tex_class
from gradio_ui.pages.visit import Visit

_SIZE: Final = 640
_MARGIN: Final = 22
_COLOURS: Final = 6
"""Categories that have a colour of their own; the others share one."""


def neighbourhood(visit: Visit, drawn: Neighbourhood) -> str:
    """Return the section with the drawing; papers are numbered from the nearest on."""
    text = visit.words
    (first, *others), (middle, *places) = drawn.papers, _places(drawn)
    if not others:
        return f"<section><h2>{escape(text('paper.around'))}</h2><p>{escape(text('paper.alone'))}</p></section>"
    colours = _colours(drawn.papers)
    notice = ""
    if drawn.coverage:
        told = text("paper.covered", covered=drawn.coverage.with_vectors, papers=drawn.coverage.papers)
        notice = f'<p class="akin-notice">{escape(told)}</p>'
    dots = "".join(
        _dot(visit, number, paper, place, colours)
        for number, (paper, place) in enumerate(zip(others, places, strict=True), start=1)
    )
    return (
        f'<section class="akin-around"><h2>{escape(text("paper.around"))}</h2>{notice}'
        f'<figure><figcaption id="akin-drawn">{escape(text("paper.drawn"))}{_legend(visit, colours)}</figcaption>'
        f'<div class="akin-drawing"><svg viewBox="0 0 {_SIZE} {_SIZE}" role="group" aria-labelledby="akin-drawn">'
        f"{_edges(drawn, [middle, *places])}{_middle(visit, first, middle, colours)}{dots}</svg>"
        f'<ol class="akin-near">{"".join(_item(visit, number, paper) for number, paper in enumerate(others, start=1))}'
        "</ol></div></figure></section>"
    )


def _colours(papers: tuple[DrawnPaper, ...]) -> dict[str, int]:
    """Return the number of the colour of each of the most frequent categories; equal ones by their name."""
    counts = Counter(paper.category or "" for paper in papers)
    ranked = sorted(counts, key=lambda code: (-counts[code], code))
    return {code: number for number, code in enumerate(ranked[:_COLOURS]) if code}


def _legend(visit: Visit, colours: dict[str, int]) -> str:
    swatch = '<li><span class="akin-swatch {}"></span>{}</li>'
    named = "".join(swatch.format(f"akin-k{number}", escape(code)) for code, number in colours.items())
    other = swatch.format("akin-other", escape(visit.words("paper.other")))
    return f'<ul class="akin-legend">{named}{other}</ul>'


def _edges(drawn: Neighbourhood, places: list[tuple[int, int]]) -> str:
    lines = []
    for edge in drawn.edges:
        (x1, y1), (x2, y2) = places[edge.one], places[edge.other]
        lines.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    return f'<g class="akin-edges" aria-hidden="true">{"".join(lines)}</g>'


def _middle(visit: Visit, paper: DrawnPaper, place: tuple[int, int], colours: dict[str, int]) -> str:
    x, y = place
    return (
        f'<g class="{_class(paper, colours)}"><title>{escape(visit.words("paper.this"))}: {escape(paper.title)}</title>'
        f'<circle class="akin-ring" cx="{x}" cy="{y}" r="17"/><circle cx="{x}" cy="{y}" r="12"/></g>'
    )


def _dot(visit: Visit, number: int, paper: DrawnPaper, place: tuple[int, int], colours: dict[str, int]) -> str:
    x, y = place
    told = f"{number}. {paper.title or paper.id} ({_about(visit, paper)})"
    address = escape(visit.link(f"paper/{paper.id}"))
    return (
        f'<a href="{address}" class="{_class(paper, colours)}" data-akin-near="{number}" '
        f'aria-label="{escape(told)}"><title>{escape(told)}</title><circle cx="{x}" cy="{y}" r="11"/>'
        f'<text x="{x}" y="{y}" dy=".35em">{number}</text></a>'
    )


def _item(visit: Visit, number: int, paper: DrawnPaper) -> str:
    address = escape(visit.link(f"paper/{paper.id}"))
    return (
        f'<li data-akin-near="{number}"><a class="{tex_class(paper.title).strip()}" href="{address}">'
        f"{escape(paper.title or paper.id)}</a> <small>{escape(_about(visit, paper))}</small></li>"
    )


def _about(visit: Visit, paper: DrawnPaper) -> str:
    """Return the first author, the year, the category, and how near a paper is."""
    text = visit.words
    author = paper.authors[0] if paper.authors else ""
    author += text("paper.and_others") if author and paper.author_count > 1 else ""
    near = text("paper.similarity", cosine=text.decimal(f"{paper.similarity:.2f}"))
    withdrawn = text("paper.is_withdrawn") if paper.withdrawn else ""
    return " · ".join(filter(None, [author, (paper.date or "")[:4], paper.category or "", near, withdrawn]))


def _class(paper: DrawnPaper, colours: dict[str, int]) -> str:
    number = colours.get(paper.category or "")
    return "akin-other" if number is None else f"akin-k{number}"


def _places(drawn: Neighbourhood) -> list[tuple[int, int]]:
    """Return the places of the papers, which fill the drawing."""
    xs, ys = [paper.x for paper in drawn.papers], [-paper.y for paper in drawn.papers]
    middles = [(min(values) + max(values)) / 2 for values in (xs, ys)]
    widest = max(max(values) - min(values) for values in (xs, ys)) or 1.0
    scale = (_SIZE - 2 * _MARGIN) / widest
    return [
        (round(_SIZE / 2 + scale * (x - middles[0])), round(_SIZE / 2 + scale * (y - middles[1])))
        for x, y in zip(xs, ys, strict=True)
    ]
