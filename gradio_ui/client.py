"""Client of the retrieval service: one connection pool, a time limit, and errors that the page explains.

    RequestFailed               the service gave no usable answer; the text can be shown to a user
    ├── NoAnswer                no answer: the service is stopped, restarting, too slow, or at another address
    ├── NothingIndexed          the service runs but has no corpus yet
    ├── ServiceBusy             the service cannot answer now (no encoder, overload); a later request may succeed
    ├── RequestRefused          the service rejected the request: an unknown paper, a query that is too long, …
    └── AnswerNotUnderstood     the answer does not have the service's form

Other exceptions (a bug, a cancelled task) are not caught here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from akin.edge import observed, tracing
from akin.settings.places import without_credentials
from gradio_ui import reader
from gradio_ui.answers import Answer, CorpusInfo, FoundPaper, Health, LinkedPapers, Neighbourhood, WholePaper
from gradio_ui.said import of_error
from gradio_ui.settings import Settings
from gradio_ui.state import SORTS, SORTS_BY_FACT, WITHDRAWN, PageState
from gradio_ui.words import Note, note

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 3.0
_LOOK_SECONDS = 1.0
_ASK_AGAIN_SECONDS = 60.0
_RERANKED = 30
"""Results that a deep search has reranked: three pages, in a tenth of a second on two cores."""
_DIVERSITY = 0.3
_CITATION_BOOST = 0.5
_NEWEST = 5
_NEWEST_WITHIN = timedelta(days=366)
_OF_A_PAPER = frozenset({"similar", "citation", "neighbourhood", "references", "cited-by"})
"""Ends of addresses of the service that are about a paper; no id has them."""
_ABOUT_KEYS = frozenset({"key_required", "key_not_accepted", "keys_unavailable", "scope_required"})
"""Refusals of the page's own key, which no reader can change."""
_Shape = TypeVar("_Shape", bound=BaseModel)


class RequestFailed(Exception):
    """The service gave no usable answer; the text can be shown to a user.

    Attributes:
        said: The text: a note in the language of its reader, or the service's own words.
    """

    def __init__(self, said: Note | str) -> None:
        """Store the text for the user."""
        super().__init__(str(said))
        self.said = said


class NoAnswer(RequestFailed):
    """No answer: the service is stopped, restarting, too slow, or at another address."""


class NothingIndexed(RequestFailed):
    """The service runs but has no corpus yet."""


class ServiceBusy(RequestFailed):
    """The service cannot answer now; a later request may succeed."""


class RequestRefused(RequestFailed):
    """The service rejected the request.

    Attributes:
        code: The service's code of the reason, such as `unknown_paper`.
    """

    def __init__(self, message: Note | str, code: str) -> None:
        """Store the message for the user and the service's code."""
        super().__init__(message)
        self.code = code


class AnswerNotUnderstood(RequestFailed):
    """The answer does not have the service's form."""


class _ErrorBody(BaseModel):
    model_config = ConfigDict(extra="ignore")
    code: str
    message: str
    detail: dict[str, Any] | None = None


class _ErrorAnswer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    error: _ErrorBody


class SearchService:
    """HTTP client of the retrieval service; use it as an async context manager, or call `close` at the end."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Prepare the client; the first request opens a connection.

        Args:
            settings: The address of the service and the time limit.
            transport: A replacement of the network, for tests.
        """
        self.url = without_credentials(settings.service_url)  # as logs and feeds name it
        self._corpus: CorpusInfo | None = None
        self._newest: tuple[str | None, tuple[FoundPaper, ...]] = (None, ())
        self._map_known: tuple[str | None, float, bool] = None, 0.0, False
        self._http = httpx.AsyncClient(
            base_url=settings.service_url,
            transport=transport,
            timeout=httpx.Timeout(settings.ui_answer_seconds, connect=_CONNECT_SECONDS),
            # After this time the page shows an error, and the service can cancel the request.
            # Compression costs more time than it saves between processes of one machine.
            headers={"Akin-Timeout": f"{settings.ui_answer_seconds:g}", "Accept-Encoding": "identity"}
            | settings.api_headers,
            limits=httpx.Limits(max_connections=settings.ui_searches, max_keepalive_connections=settings.ui_searches),
            # The proxies of the environment are for other sites, not for the service.
            trust_env=False,
        )

    async def search(self, state: PageState) -> Answer:
        """Return the service's answer to the search of a state.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        return await self._send_request("POST", "/search", Answer, search_request(state))

    async def corpus(self, snapshot: str | None = None) -> CorpusInfo:
        """Return the description of the corpus; the last one is reused if it belongs to this snapshot.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        if self._corpus is None or snapshot is None or self._corpus.snapshot != snapshot:
            self._corpus = await self._send_request("GET", "/corpus", CorpusInfo)
        return self._corpus

    async def newest(self, corpus: CorpusInfo) -> tuple[FoundPaper, ...]:
        """Return the newest papers of the corpus; they are asked for once for each snapshot.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        if corpus.snapshot is None or self._newest[0] != corpus.snapshot:
            try:
                last = date.fromisoformat(corpus.newest or "")
            except ValueError:
                return ()
            days = f"submittedDate:[{last - _NEWEST_WITHIN:%Y%m%d} TO {last:%Y%m%d}]"
            body: dict[str, object] = {"query": days, "sort": "newest", "k": _NEWEST}
            answer = await self._send_request("POST", "/search", Answer, body)
            self._newest = (corpus.snapshot, answer.results)
        return self._newest[1]

    async def can_rerank(self) -> bool:
        """Return True if the service has a reranker; False also if it does not say so within a second."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return (await self._send_request("GET", "/health/ready", Health)).components.reranker.status == "ok"
        except (RequestFailed, TimeoutError):
            return False

    async def citation(self, paper_id: str, form: str) -> str:
        """Return a paper's citation in a format, as the service wrote it.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        return (await self._request("GET", f"/papers/{quote(paper_id, safe='')}/citation?format={quote(form)}")).text

    async def map_part(self, path: str) -> bytes:
        """Return what the service answers at a path of the map, as it is.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        return (await self._request("GET", path)).content

    async def has_map(self, snapshot: str | None) -> bool:
        """Return True if the corpus has a map; asked once for a snapshot that has one, and once a minute otherwise."""
        known, until, there = self._map_known
        if known != snapshot or (not there and time.monotonic() > until):
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._request("HEAD", "/map")
                there = True
            except (RequestFailed, TimeoutError):
                there = False
            self._map_known = snapshot, time.monotonic() + _ASK_AGAIN_SECONDS, there
        return there

    async def paper(self, paper_id: str) -> WholePaper:
        """Return a paper by any form of its id, or by its DOI.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        if not paper_id or paper_id.rpartition("/")[2] in _OF_A_PAPER:
            raise RequestRefused(note("paper.unknown"), "unknown_paper")
        return await self._send_request("GET", f"/papers/{quote(paper_id, safe='')}", WholePaper)

    async def neighbourhood(self, paper_id: str) -> Neighbourhood:
        """Return the papers nearest to one, drawn on a plane.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        return await self._send_request("GET", f"/papers/{quote(paper_id, safe='')}/neighbourhood", Neighbourhood)

    async def linked(self, paper_id: str, kind: str) -> LinkedPapers:
        """Return the most cited papers of the corpus that a paper cites (`references`), or that cite it (`cited-by`).

        Raises:
            RequestFailed: There is no usable answer; the code of a corpus without references is `no_references`.
        """
        return await self._send_request("GET", f"/papers/{quote(paper_id, safe='')}/{quote(kind)}", LinkedPapers)

    async def similar(self, state: PageState) -> Answer:
        """Return the answer to the search of a state, without the places of words in the results.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        asked = search_request(replace(state, chase=False)) | {"highlight": False, "feedback": False}
        return await self._send_request("POST", "/search", Answer, asked)

    async def feed(self, asked: dict[str, object]) -> str:
        """Return a search as an Atom feed; lists are repeated parameters.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        return (await self._request("GET", f"/feed?{urlencode(asked, doseq=True)}")).text

    async def open_export(self, asked: dict[str, object]) -> httpx.Response:
        """Return the answer to an export, which is to be read and closed.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        return await self._request("POST", "/export", asked, stream=True)

    async def give_feedback(self, said: dict[str, object]) -> None:
        """Tell the service what a reader said of a result.

        Raises:
            RequestFailed: It was not stored; the subclass names the kind of failure.
        """
        await self._request("POST", "/feedback", said)

    async def read(self, path: str, shape: type[_Shape]) -> _Shape:
        """Return the service's answer to a GET, in a form.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        return await self._send_request("GET", path, shape)

    async def ask(self, path: str, shape: type[_Shape], body: dict[str, object]) -> _Shape:
        """Return the service's answer to a POST of JSON, in a form.

        Raises:
            RequestFailed: There is no usable answer; the subclass names the kind of failure.
        """
        return await self._send_request("POST", path, shape, body)

    async def await_ready(self) -> None:
        """Wait until the service is ready; log the reason for the wait whenever it changes."""
        logged = ""
        while True:
            try:
                response = await self._http.get("/health/ready", timeout=_CONNECT_SECONDS)
                trouble = "" if response.is_success else "it has nothing to search yet"
            except httpx.HTTPError:
                trouble = "nothing answers there"
            if not trouble:
                if logged:
                    _log.warning("%s is ready", self.url)
                return
            if trouble != logged:
                _log.warning("waiting for %s: %s", self.url, trouble)
                logged = trouble
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> SearchService:
        """Return the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def _send_request(
        self, method: str, path: str, shape: type[_Shape], body: dict[str, object] | None = None
    ) -> _Shape:
        response = await self._request(method, path, body)
        try:
            return shape.model_validate_json(response.content)
        except ValidationError as error:
            raise AnswerNotUnderstood(note("service.other")) from error

    async def _request(
        self, method: str, path: str, body: dict[str, object] | None = None, *, stream: bool = False
    ) -> httpx.Response:
        try:
            with tracing.client_span(f"page {method} {_route(path)}", begins=True) as span:
                headers = {**reader.headers(), **observed.onward()}
                response = await self._http.send(
                    self._http.build_request(method, path, json=body, headers=headers), stream=stream
                )
                span.set(**{"http.response.status_code": response.status_code})
            if stream and not response.is_success:
                await response.aread()
        except httpx.TimeoutException as error:
            raise NoAnswer(note("service.late")) from error
        except httpx.TransportError as error:
            raise NoAnswer(note("service.away")) from error
        except httpx.DecodingError as error:
            raise AnswerNotUnderstood(note("service.undecodable")) from error
        if not response.is_success:
            raise _translate(response)
        return response


def _route(path: str) -> str:
    """Return the first part of a path: the rest may have what a reader typed."""
    return "/" + path.lstrip("/").partition("?")[0].partition("/")[0]


def search_request(state: PageState) -> dict[str, object]:
    """Return the JSON body of `POST /search` for a state that has a query."""
    body: dict[str, object] = {"k": state.k, "offset": state.offset, "mode": state.mode}
    body |= {"highlight": True, "nearest_sentences": True, "facets": True, "feedback": True}
    if state.q:
        body |= {"query": state.q, "suggest": True}
    else:
        body["like"] = list(state.like)
        if state.unlike:
            body["unlike"] = list(state.unlike)
    if state.categories:
        body["categories"] = list(state.categories)
    if state.from_year is not None:
        body["from"] = str(state.from_year)
    if state.to_year is not None:
        body["to"] = str(state.to_year)
    if state.withdrawn != WITHDRAWN[0]:
        body["withdrawn"] = state.withdrawn
    if state.sort != SORTS[0]:
        body["sort"] = state.sort
    if state.varied and state.sort not in SORTS_BY_FACT:
        body["diversity"] = _DIVERSITY
    if state.boosted and state.sort not in SORTS_BY_FACT:
        body["citation_boost"] = _CITATION_BOOST
    if state.chase:
        body["chase"] = True
    if state.deep:
        body["rerank"] = _RERANKED
    return body


def _translate(response: httpx.Response) -> RequestFailed:
    try:
        error = _ErrorAnswer.model_validate_json(response.content).error
    except ValidationError:
        return AnswerNotUnderstood(note("service.silent", status=str(response.status_code)))
    if error.code in _ABOUT_KEYS:
        _log.error("%s does not accept this page's key (AKIN_API_KEY): %s", response.url.netloc.decode(), error.message)
        return ServiceBusy(note("service.no_key"))
    said = of_error(error.code, error.message, error.detail)
    if error.code == "no_snapshot":
        return NothingIndexed(said)
    if response.status_code >= 500 or response.status_code == 429:
        return ServiceBusy(said)
    return RequestRefused(said, error.code)
