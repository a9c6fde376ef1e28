"""Requests of both clients, each with the function that reads its answer."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote

import httpx

from akin_client.answers import (
    CorpusAnswer,
    FeedbackAnswer,
    LinkedPapers,
    MapAnswer,
    MapPoints,
    MissingAnswer,
    Model,
    Neighbourhood,
    Paper,
    PapersAnswer,
    RerankResult,
    ResolveAnswer,
    SearchAnswer,
    TextVector,
    Vectors,
)
from akin_client.errors import AnswerError, answered

Answer = TypeVar("Answer")

PAGE = 100
"""Results of one request when pages are read one after another; the most that the service answers."""
_TEXTS, _CHARACTERS = 256, 1_000_000  # of one request for vectors; a slow encoder needs 10 s for as many texts


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """A request, and the function that reads its answer."""

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] | None = None


def search(query: str | None, parameters: Mapping[str, Any]) -> Call[SearchAnswer]:
    """Return a search."""
    return Call("POST", "/search", _search_answer, body=_search_body(query, parameters))


def searches(asked: Sequence[Mapping[str, Any]]) -> Call[list[SearchAnswer | AnswerError]]:
    """Return several searches; one that failed has its error in the place of its answer."""

    def read(response: httpx.Response) -> list[SearchAnswer | AnswerError]:
        return [
            each["answer"] if each["status"] == 200 else answered(each["status"], each)
            for each in response.json()["answers"]
        ]

    return Call("POST", "/searches", read, body={"searches": [_parameters(each) for each in asked]})


def similar(paper_id: str, parameters: Mapping[str, Any]) -> Call[SearchAnswer]:
    """Return a search for papers like one."""
    return Call("GET", f"/papers/{_quoted(paper_id)}/similar", _search_answer, query=_parameters(parameters))


def linked(paper_id: str, way: str, parameters: Mapping[str, Any]) -> Call[LinkedPapers]:
    """Return the request for the papers that a paper cites (`references`), or that cite it (`cited-by`)."""
    path = f"/papers/{_quoted(paper_id)}/{way}"
    return Call("GET", path, lambda response: cast(LinkedPapers, response.json()), query=_parameters(parameters))


def paper(paper_id: str) -> Call[Paper]:
    """Return the request for a paper."""
    return Call("GET", f"/papers/{_quoted(paper_id)}", lambda response: cast(Paper, response.json()))


def neighbourhood(paper_id: str, k: int) -> Call[Neighbourhood]:
    """Return the request for the papers nearest to one, drawn on a plane."""
    path = f"/papers/{_quoted(paper_id)}/neighbourhood"
    return Call("GET", path, lambda response: cast(Neighbourhood, response.json()), query={"k": k})


def papers(ids: str | Sequence[str]) -> Call[PapersAnswer]:
    """Return the request for several papers."""
    return Call(
        "POST", "/papers", lambda response: cast(PapersAnswer, response.json()), body={"ids": list(_several(ids))}
    )


def missing(ids: str | Sequence[str], parameters: Mapping[str, Any]) -> Call[MissingAnswer]:
    """Return the request for papers that a list lacks."""
    body = {"ids": list(_several(ids)), **_parameters(parameters)}
    return Call("POST", "/lists/missing", lambda response: cast(MissingAnswer, response.json()), body=body)


def corpus() -> Call[CorpusAnswer]:
    """Return the request for the description of the corpus."""
    return Call("GET", "/corpus", lambda response: cast(CorpusAnswer, response.json()))


def citations(ids: str | Sequence[str], form: str) -> Call[str]:
    """Return the request for citations, as the text of one file."""
    body = {"ids": list(_several(ids)), "format": form}
    return Call("POST", "/citations", lambda response: response.text, body=body)


def resolve(references: str | Sequence[Mapping[str, Any]]) -> Call[ResolveAnswer]:
    """Return the request for the papers that references mean."""
    body = {"text": references} if isinstance(references, str) else {"references": list(references)}
    return Call("POST", "/references/resolve", lambda response: cast(ResolveAnswer, response.json()), body=body)


def export(query: str | None, form: str, parameters: Mapping[str, Any]) -> Call[str]:
    """Return the request for a file of papers."""
    body = {"format": form, **_search_body(query, parameters)}
    return Call("POST", "/export", _whole_text, body=body)


def feed(query: str | None, parameters: Mapping[str, Any]) -> Call[str]:
    """Return the request for a search as an Atom feed."""
    return Call("GET", "/feed", lambda response: response.text, query=_search_body(query, parameters))


def feedback(
    search: str | Mapping[str, Any], paper_id: str, rank: int, said: Mapping[str, Any]
) -> Call[FeedbackAnswer]:
    """Return the feedback on a result of a search, by the search's id or its parameters."""
    which = {"search": search} if isinstance(search, str) else {"request": _parameters(search)}
    body = {**which, "paper": paper_id, "rank": rank, **_parameters(said)}
    return Call("POST", "/feedback", lambda response: cast(FeedbackAnswer, response.json()), body=body)


def embed(text: str, input_type: str) -> Call[TextVector]:
    """Return the request for the vector of one text."""
    body = {"query": text, "input_type": input_type}
    return Call("POST", "/embed", lambda response: cast(TextVector, response.json()), body=body)


def vectors(texts: Sequence[str], options: Mapping[str, Any]) -> Call[Vectors]:
    """Return the request for the vectors of texts, few enough for one request."""

    def read(response: httpx.Response) -> Vectors:
        body = response.json()
        return {
            "vectors": [_numbers(each["embedding"]) for each in body["data"]],
            "model": body["model"],
            "tokens": body["usage"]["total_tokens"],
            "truncated": body["truncated"],
        }

    body = {"input": list(texts), "encoding_format": "base64", **_parameters(options)}
    return Call("POST", "/embeddings", read, body=body)


def rerank(query: str, documents: str | Sequence[str], top_n: int | None) -> Call[list[RerankResult]]:
    """Return the request for documents in the order of the reranker."""
    body = _parameters({"query": query, "documents": list(_several(documents)), "top_n": top_n})
    return Call("POST", "/rerank", lambda response: cast(list[RerankResult], response.json()["results"]), body=body)


def corpus_map() -> Call[MapAnswer]:
    """Return the request for the description of the map."""
    return Call("GET", "/map", lambda response: cast(MapAnswer, response.json()))


def map_tile(version: str, z: int, x: int, y: int) -> Call[bytes]:
    """Return the request for the points of a tile of the map."""
    return Call("GET", f"/map/tiles/{_quoted(version)}/{z}/{x}/{y}", lambda response: response.content)


def map_points(ids: str | Sequence[str]) -> Call[MapPoints]:
    """Return the request for the places of papers on the map."""
    query = {"ids": ",".join(_several(ids))}
    return Call("GET", "/map/points", lambda response: cast(MapPoints, response.json()), query=query)


def map_near(x: float, y: float, k: int) -> Call[MapPoints]:
    """Return the request for the papers at a place of the map."""
    query = {"x": x, "y": y, "k": k}
    return Call("GET", "/map/near", lambda response: cast(MapPoints, response.json()), query=query)


def models() -> Call[list[Model]]:
    """Return the request for the models that are served."""
    return Call("GET", "/models", lambda response: cast(list[Model], response.json()["data"]))


def health() -> Call[dict[str, Any]]:
    """Return the request for the status of each part of the service."""
    return Call("GET", "/health/ready", lambda response: cast(dict[str, Any], response.json()))


def batches(texts: str | Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield texts in groups that one request for vectors can take."""
    texts = _several(texts)
    first = characters = 0
    for at, text in enumerate(texts):
        if at > first and (at - first >= _TEXTS or characters + len(text) > _CHARACTERS):
            yield texts[first:at]
            first, characters = at, 0
        characters += len(text)
    if first < len(texts):
        yield texts[first:]


def joined(parts: Sequence[Vectors]) -> Vectors:
    """Return the vectors of groups of texts as those of one list.

    Raises:
        ValueError: The encoder was changed between the groups.
    """
    names = {part["model"] for part in parts}
    if len(names) > 1:
        raise ValueError(f"The encoder was changed between the requests: {' and '.join(sorted(names))}. Begin again.")
    whole: Vectors = {"vectors": [], "model": next(iter(names), ""), "tokens": 0, "truncated": []}
    for part in parts:
        whole["truncated"] += [len(whole["vectors"]) + at for at in part["truncated"]]
        whole["vectors"] += part["vectors"]
        whole["tokens"] += part["tokens"]
    return whole


def _search_answer(response: httpx.Response) -> SearchAnswer:
    return cast(SearchAnswer, response.json())


def _whole_text(response: httpx.Response) -> str:
    # With its own line ends, and without a guess at the encoding.
    return response.content.decode()


def _search_body(query: str | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return _parameters({**({} if query is None else {"query": query}), **parameters})


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by their names in HTTP, without those that are None: `from_` stands for `from`."""
    return {name.removesuffix("_"): value for name, value in given.items() if value is not None}


def _several(texts: str | Sequence[str]) -> Sequence[str]:
    """Return texts as a list: one text is also a sequence, of its letters."""
    return [texts] if isinstance(texts, str) else texts


def _quoted(paper_id: str) -> str:
    # With `..` as a part of it, an id would be the address of another route.
    steps = {".", ".."} & set(paper_id.split("/"))
    return quote(paper_id, safe="" if steps else "/")


def _numbers(encoded: str) -> list[float]:
    numbers = array("f", b64decode(encoded))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
