"""The corpus as a map: its description, its tiles, and the papers at places of it.

Nothing of a map is read before it is first asked for, and no search reads any of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from akin.papers.text.display import display_text
from retrieval_service.corpus.map_files import (
    BUILD_COMMAND,
    MAPS,
    CorpusMap,
    MapGroup,
    MapLabel,
    MapManifest,
    maps_of_others,
    open_map,
)
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.errors import NoMap
from retrieval_service.filter import day_of
from retrieval_service.ports import Catalogue
from retrieval_service.routes.answers import json_response
from retrieval_service.routes.openapi import ApiRoute
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.routes.state import answer_from_corpus, deadline_of, service_state
from retrieval_service.search.filters import rows_by_name
from retrieval_service.threads import Job

_MOST_POINTS = 1000
_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_TILE = re.compile(r"(\d{1,2})/(\d{1,6})/(\d{1,6})", re.ASCII)


class TileAnswer(msgspec.Struct):
    """Tile of the map, and its number of points."""

    z: int
    x: int
    y: int
    points: int


class MapAnswer(msgspec.Struct):
    """Map of the corpus; a place is x from the left and y from above, each from 0 to 1.

    `version` is a part of the addresses of tiles. `added` counts the papers that updates placed since the layout.
    """

    snapshot: str
    version: str
    created: str
    papers: int
    placed: int
    sampled: int
    added: int
    method: str
    grouped_by: str
    groups: list[MapGroup]
    first_year: int
    last_year: int
    labels: list[MapLabel]
    tiles: list[TileAnswer]


class MapPoint(msgspec.Struct):
    """Paper at its place; x and y are null for a paper without a vector."""

    id: str
    title: str
    x: float | None
    y: float | None
    year: int | None
    categories: list[str]


class MapPointsAnswer(msgspec.Struct):
    """Papers with their places, and the ids that the corpus lacks."""

    points: list[MapPoint]
    unknown: list[str]


def _ids(value: object) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    return [name for part in parts for piece in str(part).split(",") if (name := piece.strip())]


@dataclass(frozen=True, kw_only=True)
class MapPointsRequest:
    """Papers whose places are wanted."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ids: Annotated[
        Annotated[tuple[Annotated[str, StringConstraints(max_length=500)], ...], BeforeValidator(_ids)],
        Field(
            description="Ids of papers, with commas between them; each in any form of an arXiv id.",
            min_length=1,
            max_length=_MOST_POINTS,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class MapNearRequest:
    """Place on the map, and the number of papers that are wanted there."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    x: Annotated[float, Field(description="Place from the left, 0 to 1.", ge=0, le=1)]
    y: Annotated[float, Field(description="Place from above, 0 to 1.", ge=0, le=1)]
    k: Annotated[int, Field(description="Number of papers.", ge=1, le=100)] = 1


_POINTS, _NEAR = Parameters(MapPointsRequest), Parameters(MapNearRequest)


async def corpus_map(request: Request) -> Response:
    """Return the description of the map: its groups of papers, labels of regions, and tiles."""

    def describe(opened: CorpusMap, _: Catalogue) -> Response:
        return json_response(_answer(opened.manifest))

    return await _from_map(request, None, describe)


async def map_tile(request: Request) -> Response:
    """Return the points of a tile: `version/z/x/y`.

    The bytes are x uint16 [n], y uint16 [n], group uint8 [n] and year uint8 [n], little-endian; 65534 is the right or
    lower end, a group is a place in `groups`, and a year is counted from `first_year` as 1, 0 if unknown. A tile of a
    version never changes.
    """
    version, _, tile = request.path_params["tile"].partition("/")
    place = _TILE.fullmatch(tile)
    if place is None:
        raise NoMap(f"There is no tile {tile[:40]!r} of the map; an address is /map/tiles/VERSION/Z/X/Y.")
    z, x, y = map(int, place.groups())

    def read(opened: CorpusMap, _: Catalogue) -> Response:
        if version != opened.manifest.version:
            raise NoMap("The map was built again, and has another version: read /map anew.")
        return Response(opened.tile(z, x, y), headers=_IMMUTABLE, media_type="application/octet-stream")

    return await _from_map(request, (version, z, x, y), read)


async def map_points(request: Request) -> Response:
    """Return papers with their places, such as the results of a search."""
    wanted = _POINTS.parse_query_string(request)

    def find(opened: CorpusMap, catalogue: Catalogue) -> Response:
        named = rows_by_name(wanted.ids, catalogue)
        rows = list(dict.fromkeys(row for row in named.values() if row is not None))
        unknown = [name for name, row in named.items() if row is None]
        return json_response(MapPointsAnswer(_points(opened, catalogue, rows), unknown))

    return await _from_map(request, wanted, find)


async def map_near(request: Request) -> Response:
    """Return the papers that are nearest to a place of the map, the nearest first."""
    wanted = _NEAR.parse_query_string(request)

    def find(opened: CorpusMap, catalogue: Catalogue) -> Response:
        rows = opened.nearest(wanted.x, wanted.y, wanted.k).tolist()
        return json_response(MapPointsAnswer(_points(opened, catalogue, rows), []))

    return await _from_map(request, wanted, find)


async def _from_map(request: Request, asked: object, work: Callable[[CorpusMap, Catalogue], Response]) -> Response:
    """Return the response that the work makes, in a thread, from the map of the corpus."""
    state = service_state(request)
    data: Path = request.app.state.data

    def answer_now(corpus: OpenCorpus) -> Response:
        return work(_opened(data, corpus), corpus.catalogue)

    async def answer(corpus: OpenCorpus) -> Response:
        return await Job(state.read_threads, answer_now, corpus).result()

    current = state.live.current
    built = _built(data, current.manifest.id) if current else 0
    return await answer_from_corpus(request, state.reads, deadline_of(request), (built, asked), answer)


def _opened(data: Path, corpus: OpenCorpus) -> CorpusMap:
    name, papers = corpus.manifest.id, corpus.manifest.papers
    try:
        return _open(data, name, papers, _built(data, name))
    except NoMap as error:
        others = maps_of_others(data, name)
        if (data / MAPS / name).exists() or not others:
            raise
        other = others[0]
        raise NoMap(
            f"The map is of another snapshot ({other.snapshot}, {other.papers} papers) than the one that is searched "
            f"({name}, {papers} papers); build one for it with {BUILD_COMMAND}."
        ) from error


def _built(data: Path, name: str) -> int:
    """Return the time at which the map of a snapshot was put in place; 0 if it has none."""
    try:
        return (data / MAPS / name).stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(2)
def _open(data: Path, name: str, papers: int, built: int) -> CorpusMap:
    """Return the map of a snapshot, opened once for each time that it is built."""
    return open_map(data, data / "snapshots" / name, papers)


def _answer(manifest: MapManifest) -> MapAnswer:
    known: dict[str, Any] = {
        name: getattr(manifest, name)
        for name in (
            *("snapshot", "version", "papers", "placed", "sampled", "added", "method"),
            *("grouped_by", "groups", "first_year", "last_year", "labels"),
        )
    }
    tiles = [TileAnswer(each.z, each.x, each.y, each.points) for each in manifest.tiles]
    return MapAnswer(**known, created=manifest.created.isoformat(), tiles=tiles)


def _points(opened: CorpusMap, catalogue: Catalogue, rows: Sequence[int]) -> list[MapPoint]:
    return [
        MapPoint(
            id=paper.id,
            title=display_text(paper.title),
            x=place[0] if place else None,
            y=place[1] if place else None,
            year=day.year if (day := day_of(paper)) else None,
            categories=list(paper.categories),
        )
        for paper, place in zip(catalogue.papers(rows), opened.places(rows), strict=True)
    ]


ROUTES = (
    ApiRoute("/map", corpus_map, answers=MapAnswer),
    ApiRoute("/map/tiles/{tile:path}", map_tile, example={"tile": "9f86d081884c7d65/0/0/0"}),
    ApiRoute(
        "/map/points", map_points, takes=_POINTS, answers=MapPointsAnswer, timed=True, example={"ids": "2401.09032"}
    ),
    ApiRoute("/map/near", map_near, takes=_NEAR, answers=MapPointsAnswer, timed=True, example={"x": 0.5, "y": 0.5}),
)
