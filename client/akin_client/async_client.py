"""The client for asyncio: the methods of `Client`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Self

import httpx

from akin_client import calls
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
    Result,
    SearchAnswer,
    TextVector,
    Vectors,
)
from akin_client.calls import Answer, Call
from akin_client.connecting import options_of
from akin_client.errors import AkinError, AnswerError
from akin_client.retries import Retries, failure_of, no_answer, read_answer


class AsyncClient:
    """Client of one service; use it in an `async with` block, or close it.

    Every method raises `BadRequest` if the request is wrong, `Unavailable` or `RateLimited` if it failed after all
    repetitions, and `CannotConnect` if there is no answer.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        timeout: float = 30.0,
        retries: Retries | int = Retries(),  # noqa: B008 - it is frozen
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the address of the service.

        Args:
            base_url: The address, with or without `/v1`.
            timeout: Seconds to wait for an answer; the service, which is told, gives up its work then.
            retries: The most repetitions of a request that may succeed later, or the whole rule.
            headers: Further headers of every request.
            api_key: Key of a service that asks for one.
            transport: Transport of httpx, for tests or a proxy.
        """
        self._retries = retries if isinstance(retries, Retries) else Retries(retries)
        self._http = httpx.AsyncClient(**options_of(base_url, timeout, headers, api_key), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def search(self, query: str | None = None, **parameters: Any) -> SearchAnswer:
        """Return the papers nearest to a question, an abstract, or papers.

        Args:
            query: A question, or ids or links of papers.
            parameters: Those of `POST /search`, under their names in HTTP: `k`, `offset`, `cursor`, `mode`, `abstract`,
                `like`, `unlike`, `categories`, `authors`, `from_`, `to` and all others of the service's release.
        """
        return await self._send(calls.search(query, parameters))

    async def search_pages(self, query: str | None = None, **parameters: Any) -> AsyncIterator[SearchAnswer]:
        """Yield the pages of a search, each of `k` results (100), up to the end of the ranking.

        Raises:
            CursorExpired: The corpus was changed between two pages.
        """
        parameters = {"k": calls.PAGE, **parameters}
        while True:
            answer = await self.search(query, **parameters)
            yield answer
            if not answer["results"] or not answer["next_cursor"]:
                return
            parameters = {**parameters, "offset": None, "cursor": answer["next_cursor"]}

    async def search_all(
        self, query: str | None = None, *, limit: int | None = None, **parameters: Any
    ) -> AsyncIterator[Result]:
        """Yield the results of a search, up to a limit or to the end of the ranking; pages are fetched as needed."""
        left = limit
        if left is not None:
            parameters = {"k": max(1, min(calls.PAGE, left)), **parameters}
        if left is not None and left <= 0:
            return
        async for page in self.search_pages(query, **parameters):
            for result in page["results"][:left]:
                yield result
            if left is not None and (left := left - len(page["results"])) <= 0:
                return

    async def searches(self, asked: Sequence[Mapping[str, Any]]) -> list[SearchAnswer | AnswerError]:
        """Return the answers to up to 50 searches in one request; one that failed has its error in its place.

        Args:
            asked: The parameters of each: `[{"query": "graphs", "k": 3}, {"like": ["2401.09032"]}]`.
        """
        return await self._send(calls.searches(asked))

    async def similar(self, paper_id: str, **parameters: Any) -> SearchAnswer:
        """Return the papers nearest to a paper of the corpus."""
        return await self._send(calls.similar(paper_id, parameters))

    async def references(self, paper_id: str, **parameters: Any) -> LinkedPapers:
        """Return the papers of the corpus that a paper cites: `k`, `offset`, `sort` (citations, newest, oldest)."""
        return await self._send(calls.linked(paper_id, "references", parameters))

    async def cited_by(self, paper_id: str, **parameters: Any) -> LinkedPapers:
        """Return the papers of the corpus that cite a paper; the parameters are those of `references`."""
        return await self._send(calls.linked(paper_id, "cited-by", parameters))

    async def paper(self, paper_id: str) -> Paper:
        """Return a paper by its id, in any form of an arXiv id."""
        return await self._send(calls.paper(paper_id))

    async def neighbourhood(self, paper_id: str, k: int = 40) -> Neighbourhood:
        """Return the papers nearest to a paper of the corpus, at most 50, drawn on a plane around it."""
        return await self._send(calls.neighbourhood(paper_id, k))

    async def papers(self, ids: str | Sequence[str]) -> PapersAnswer:
        """Return several papers by their ids, at most 1,000, and the ids that the corpus lacks."""
        return await self._send(calls.papers(ids))

    async def missing(self, ids: str | Sequence[str], **parameters: Any) -> MissingAnswer:
        """Return the papers that a list lacks: near to its topics, and not in it.

        Args:
            ids: The papers of the list, at most 1,000.
            parameters: Those of `POST /lists/missing`: `k`, `unlike`, `categories`, `from_`, `to` and others.
        """
        return await self._send(calls.missing(ids, parameters))

    async def corpus(self) -> CorpusAnswer:
        """Return the size, the days and the categories of the corpus."""
        return await self._send(calls.corpus())

    async def citations(self, ids: str | Sequence[str], format: str = "bibtex") -> str:
        """Return the citations of papers as the text of one file: `bibtex`, `ris` or `csl-json`."""
        return await self._send(calls.citations(ids, format))

    async def resolve(self, references: str | Sequence[Mapping[str, Any]]) -> ResolveAnswer:
        """Return the papers that references mean, in their order; at most 2,000 references.

        Args:
            references: BibTeX, RIS, CSL-JSON, or lines of ids, DOIs and titles as one text; or dictionaries of `title`,
                `authors`, `year`, `doi`, `arxiv_id`, `id` and `key`.
        """
        return await self._send(calls.resolve(references))

    async def export(self, query: str | None = None, *, format: str = "bibtex", **parameters: Any) -> str:
        """Return papers as the text of a file: `bibtex`, `ris`, `csl-json`, `csv` or `jsonl`.

        Args:
            query: A question, or ids or links of papers.
            format: The format.
            parameters: Those of `search`, of which `k` is at most 1,000 (default); or `ids` alone, without a query, for
                these papers in their order.
        """
        return await self._send(calls.export(query, format, parameters))

    async def feed(self, query: str | None = None, **parameters: Any) -> str:
        """Return a search as an Atom feed, newest papers first; the parameters are those of `search`."""
        return await self._send(calls.feed(query, parameters))

    async def feedback(
        self,
        search: str | Mapping[str, Any],
        paper_id: str,
        rank: int,
        *,
        useful: bool | None = None,
        comment: str | None = None,
        opened: bool | None = None,
        withdraw: bool | None = None,
    ) -> FeedbackAnswer:
        """Tell the service, if it keeps feedback, that a result is useful or not, or was opened; or withdraw that.

        Args:
            search: `answer["feedback"]["search"]` of a search with `feedback=True`, or the parameters of a search.
            paper_id: Id of the result.
            rank: Its rank, from 1.
            useful: True or False.
            comment: With `useful`: words of the reader.
            opened: True if the reader opened the paper.
            withdraw: True to delete what was said before.

        Raises:
            NotFound: The service keeps no feedback, or does not know the search or the paper.
        """
        said = {"useful": useful, "comment": comment, "opened": opened, "withdraw": withdraw}
        return await self._send(calls.feedback(search, paper_id, rank, said))

    async def embed(self, text: str, input_type: str = "query") -> TextVector:
        """Return the vector of one text, a `query` or a `passage`."""
        return await self._send(calls.embed(text, input_type))

    async def embeddings(self, texts: str | Sequence[str], **options: Any) -> Vectors:
        """Return the vectors of any number of texts, in several requests if they are many.

        Args:
            texts: The texts, or one.
            options: `input_type` (`passage` or `query`), `dimensions`, `model`.
        """
        return calls.joined([await self._send(calls.vectors(each, options)) for each in calls.batches(texts)])

    async def rerank(self, query: str, documents: str | Sequence[str], top_n: int | None = None) -> list[RerankResult]:
        """Return the places of documents in the order of their relevance to a query, judged by the reranker.

        Raises:
            NotFound: The service has no reranker.
        """
        return await self._send(calls.rerank(query, documents, top_n))

    async def map(self) -> MapAnswer:
        """Return the description of the map of the corpus.

        Raises:
            NotFound: The corpus has no map.
        """
        return await self._send(calls.corpus_map())

    async def map_tile(self, version: str, z: int, x: int, y: int) -> bytes:
        """Return the points of a tile of the map, as its route describes them; `map` has the version."""
        return await self._send(calls.map_tile(version, z, x, y))

    async def map_points(self, ids: str | Sequence[str]) -> MapPoints:
        """Return papers with their places on the map, at most 1,000."""
        return await self._send(calls.map_points(ids))

    async def map_near(self, x: float, y: float, k: int = 1) -> MapPoints:
        """Return the papers nearest to a place of the map, 0 to 1 from the left and from above, at most 100."""
        return await self._send(calls.map_near(x, y, k))

    async def models(self) -> list[Model]:
        """Return the models that are served."""
        return await self._send(calls.models())

    async def health(self) -> dict[str, Any]:
        """Return the status of each part of the service."""
        return await self._send(calls.health())

    async def _send(self, call: Call[Answer]) -> Answer:
        attempt = 0
        while True:
            try:
                response = await self._http.request(call.method, call.path, json=call.body, params=call.query)
            except httpx.RequestError as error:
                failure: AkinError = no_answer(error, self._http.base_url)
            else:
                answered = failure_of(response)
                if answered is None:
                    return read_answer(call, response)
                failure = answered
            pause = self._retries.pause(attempt, failure)
            if pause is None:
                raise failure
            await asyncio.sleep(pause)
            attempt += 1
