"""The corpus as a map: a page that a canvas is drawn on, and lists of the same for readers without one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from gradio_ui.answers import FoundPaper
from gradio_ui.client import RequestFailed, RequestRefused, SearchService
from gradio_ui.pages import files
from gradio_ui.pages.document import language_field
from gradio_ui.pages.site import Site
from gradio_ui.pages.visit import Visit
from gradio_ui.state import PageState, read_address
from gradio_ui.words import written_html

LINKED_LEVEL: Final = 1
"""Labels of these levels of zoom are in the list of regions; the finer ones are on the canvas only."""
_MOST_REGIONS: Final = 80
_MOST_SHOWN: Final = 50
_TILE: Final = re.compile(r"[0-9a-f]{8,64}/\d{1,2}/\d{1,6}/\d{1,6}", re.ASCII)
_PLACE: Final = re.compile(r"[01](\.\d{1,9})?", re.ASCII)
_COLOURS: Final = 9
_AGES: Final = 8


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Label(_Part):
    """Name of a region."""

    level: int
    x: float
    y: float
    text: str
    papers: int
    category: str | None = None


class Group(_Part):
    """Papers of one colour."""

    code: str
    name: str
    papers: int


class Tile(_Part):
    """Square of the map that has points of its own."""

    z: int
    x: int
    y: int


class MapInfo(_Part):
    """Description of the map."""

    version: str
    papers: int
    placed: int
    added: int
    groups: tuple[Group, ...]
    first_year: int
    last_year: int
    labels: tuple[Label, ...]
    tiles: tuple[Tile, ...]


class Point(_Part):
    """Paper with its place, which is None without one."""

    id: str
    title: str
    x: float | None
    y: float | None


class Points(_Part):
    """Papers with their places."""

    points: tuple[Point, ...]


async def show(request: Request, site: Site) -> Response:
    """Return the page, with the results of a search on the map if the address has one."""
    visit = site.visit(request)
    text = visit.words
    try:
        about = await site.service.read("/map", MapInfo)
    except RequestRefused as error:
        if error.code != "no_map":
            raise
        return site.error(request, 404, "map.none", error.said, "map.none_advice")
    state, _ = read_address(request.url.query)
    found: Sequence[FoundPaper] = ()
    points: tuple[Point, ...] = ()
    problem = ""
    if state.has_query:
        try:
            found = (await site.service.similar(state)).results[:_MOST_SHOWN]
            points = await places_of(site.service, [paper.id for paper in found])
        except RequestFailed as error:
            problem = written_html(error.said, text)
    body = content(about, visit, state, found, points, problem)
    return site.page(request, text("map.title"), body, scripts=("map.js",), styles=("map.css",), here="map")


async def tile(request: Request, site: Site) -> Response:
    """Return a tile of a version of the map; browsers keep it for a year."""
    name = request.path_params["tile"]
    if not _TILE.fullmatch(name):
        return site.not_found(request.scope)
    content = await site.service.map_part(f"/map/tiles/{name}")
    return Response(content, headers={"Cache-Control": files.YEAR}, media_type="application/octet-stream")


async def near(request: Request, site: Site) -> Response:
    """Return the paper that is nearest to a place of the map."""
    place = {name: request.query_params.get(name, "") for name in ("x", "y")}
    if not all(_PLACE.fullmatch(value) for value in place.values()):
        return site.not_found(request.scope)
    content = await site.service.map_part(f"/map/near?{urlencode(place)}")
    return Response(content, headers={"Cache-Control": "private, max-age=300"}, media_type=_JSON)


_JSON: Final = "application/json"


async def places_of(service: SearchService, ids: Sequence[str]) -> tuple[Point, ...]:
    """Return the places of papers; none for no papers."""
    if not ids:
        return ()
    return (await service.read(f"/map/points?{urlencode({'ids': ','.join(ids)})}", Points)).points


def content(
    about: MapInfo,
    visit: Visit,
    state: PageState,
    found: Sequence[FoundPaper] = (),
    points: Sequence[Point] = (),
    problem: str = "",
) -> str:
    """Return the HTML of the page's content.

    Args:
        about: The map.
        visit: The reader's language and links.
        state: The search whose results are shown.
        found: The results.
        points: Their places.
        problem: Why the search failed, as HTML; empty if it did not.
    """
    text = visit.words
    size = text("map.size", papers=about.placed)
    if about.papers > about.placed:
        size += " " + text.count("map.without", about.papers - about.placed)
    addresses = "".join(
        f' data-{name}="{escape(visit.link(path))}"'
        for name, path in (("tiles", "map/tiles"), ("near", "map/near"), ("paper", "paper/"))
    )
    title = escape(text("map.title"))
    return (
        f'<h1>{title}</h1><p class="akin-line">{escape(size)}</p>{_form(visit, state)}{_tools(visit)}'
        f'<div class="akin-map-row"><div id="akin-map" class="akin-map" role="application" tabindex="0"'
        f' aria-label="{title}" aria-describedby="akin-map-keys"{addresses}><canvas></canvas>'
        '<p id="akin-map-tip" class="akin-map-tip" role="status"></p></div>'
        f"{_results(visit, state, found, points, problem)}</div>"
        f'<p id="akin-map-keys" class="akin-line akin-map-keys">{text.html("map.keys")}</p>'
        f"{_legend(about, visit)}{_regions(about, visit)}{_for_script('akin-map-about', about.model_dump())}"
    )


def _form(visit: Visit, state: PageState) -> str:
    text = visit.words
    language = language_field(visit)
    return (
        f'<form class="akin-map-form" role="search" action="{escape(visit.root)}/map">{language}'
        f'<label class="akin-hidden" for="akin-map-query">{escape(text("map.query"))}</label>'
        f'<input id="akin-map-query" name="q" type="search" maxlength="2000" value="{escape(state.q)}"'
        f' placeholder="{escape(text("map.query"))}"><button>{escape(text("map.search"))}</button></form>'
    )


def _tools(visit: Visit) -> str:
    text = visit.words
    buttons = "".join(
        f'<button type="button" data-map="{action}" aria-label="{escape(text(f"map.{action}"))}">{sign}</button>'
        for action, sign in (("in", "+"), ("out", "−"), ("whole", "⤢"))
    )
    return (
        f'<div class="akin-map-tools"><span class="akin-map-zoom">{buttons}</span><label>{escape(text("map.colour"))} '
        f'<select id="akin-map-colour"><option value="group">{escape(text("map.by_group"))}</option>'
        f'<option value="year">{escape(text("map.by_year"))}</option></select></label></div>'
    )


def _legend(about: MapInfo, visit: Visit) -> str:
    """Return what the colours mean: the groups, and the years from the oldest to the newest."""
    text = visit.words
    groups = "".join(
        f'<li><span class="akin-map-dot akin-map-c{min(number, _COLOURS - 1) if group.code else _COLOURS - 1}"></span>'
        f"{escape(group.name if group.code else text('map.other'))} "
        f"<small>{escape(text.number(group.papers))}</small></li>"
        for number, group in enumerate(about.groups)
        if group.papers
    )
    dots = "".join(f'<span class="akin-map-dot akin-map-y{age}"></span>' for age in range(_AGES))
    years = f"{about.first_year or '?'} {dots} {about.last_year or '?'}"
    return (
        f'<ul class="akin-map-legend" data-colour="group" aria-label="{escape(text("map.legend"))}">{groups}</ul>'
        f'<p class="akin-map-legend" data-colour="year" hidden>{years}</p>'
    )


def _results(visit: Visit, state: PageState, found: Sequence[FoundPaper], points: Sequence[Point], problem: str) -> str:
    """Return the results of a search as a list, and their places for the script."""
    text = visit.words
    if problem:
        return f'<section class="akin-problem"><h2>{escape(text("map.results"))}</h2><p>{problem}</p></section>'
    if not state.has_query:
        return ""
    placed = {point.id: point for point in points if point.x is not None}
    nowhere = f" <small>{escape(text('map.no_place'))}</small>"
    items = "".join(
        f'<li><a href="{escape(visit.link(f"paper/{paper.id}"))}">{escape(paper.title or paper.id)}</a>'
        f"{'' if paper.id in placed else nowhere}</li>"
        for paper in found
    )
    marks = [
        {"id": paper.id, "title": paper.title, "rank": rank, "x": placed[paper.id].x, "y": placed[paper.id].y}
        for rank, paper in enumerate(found, start=1)
        if paper.id in placed
    ]
    search = escape(f"{visit.root}/{state.address()}")
    return (
        '<section class="akin-map-found" aria-labelledby="akin-map-found">'
        f'<h2 id="akin-map-found">{escape(text("map.results"))}</h2>'
        f'<p class="akin-line"><a href="{search}">{escape(text("map.all_results"))}</a></p>'
        + (f'<ol class="akin-map-results">{items}</ol>' if items else f"<p>{escape(text('map.nothing'))}</p>")
        + f"{_for_script('akin-map-marks', marks)}</section>"
    )


def _regions(about: MapInfo, visit: Visit) -> str:
    """Return the named regions as a list with counts and links to searches."""
    text = visit.words
    items = "".join(
        f'<li><a href="{escape(_search_of(label, visit))}">{escape(label.text)}</a> '
        f"<small>{escape(text.count('map.papers', label.papers))}</small></li>"
        for label in _listed(about.labels)
    )
    if not items:
        return ""
    return (
        f'<section aria-labelledby="akin-map-regions"><h2 id="akin-map-regions">{escape(text("map.regions"))}</h2>'
        f'<ul class="akin-map-regions">{items}</ul></section>'
    )


def _listed(labels: Iterable[Label]) -> list[Label]:
    """Return the labels that are listed, each name once."""
    by_name: dict[str, Label] = {}
    for label in labels:
        if label.level <= LINKED_LEVEL:
            by_name.setdefault(label.text, label)
    return list(by_name.values())[:_MOST_REGIONS]


def _search_of(label: Label, visit: Visit) -> str:
    query = f"cat:{label.category}" if label.category else label.text.replace(",", "")
    return visit.link("", q=query)


def _for_script(name: str, value: object) -> str:
    """Return an element with a value for the page's script, as JSON."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{content}</script>'
