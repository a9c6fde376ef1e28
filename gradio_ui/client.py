"""The page's way to the retrieval service: one connection pool, a time limit, and errors a page can explain.

    RequestFailed            anything that kept an answer from arriving; its text is for a person
    ├── NoAnswer         nobody answered: not started, restarting, too slow, or the address is wrong
    ├── NothingIndexed          the service runs but has no corpus yet
    ├── ServiceBusy         the service cannot answer now (encoder away, overloaded), and may in a moment
    ├── RequestRefused      the service did not accept the request: an unknown paper, a query too long, …
    └── AnswerNotUnderstood something answered, but not in the service's language

What this tree does not hold (a bug, a cancelled task) is not caught here.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from gradio_ui.answers import Answer, CorpusInfo
from gradio_ui.settings import Settings
from gradio_ui.state import PageState

_log = logging.getLogger(__name__)
_CONNECT_SECONDS = 3.0
_LOOK_SECONDS = 1.0
_Understood = TypeVar("_Understood", bound=BaseModel)


class RequestFailed(Exception):
    """Anything that kept an answer from arriving; its text is for a person."""


class NoAnswer(RequestFailed):
    """Nobody answered: not started, restarting, too slow, or the address is wrong."""


class NothingIndexed(RequestFailed):
    """The service runs but has no corpus yet."""


class ServiceBusy(RequestFailed):
    """The service cannot answer now, and may in a moment."""


class RequestRefused(RequestFailed):
    """The service did not accept the request.

    Attributes:
        code: The service's name for the reason, such as `unknown_paper`.
    """

    def __init__(self, message: str, code: str) -> None:
        """Say why, for a person and by the service's name for it."""
        super().__init__(message)
        self.code = code


class AnswerNotUnderstood(RequestFailed):
    """Something answered, but not in the service's language."""


class _ErrorBody(BaseModel):
    model_config = ConfigDict(extra="ignore")
    code: str
    message: str


class _ErrorAnswer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    error: _ErrorBody


class SearchService:
    """The retrieval service over HTTP. Use it as an async context manager, or call `close` when done."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Open nothing yet: connections are made by the first request.

        Args:
            settings: Where the service is and how long to wait for it.
            transport: What carries the requests, in place of the network.
        """
        self.url = settings.service_url
        self._corpus: CorpusInfo | None = None
        self._http = httpx.AsyncClient(
            base_url=self.url,
            transport=transport,
            timeout=httpx.Timeout(settings.ui_answer_seconds, connect=_CONNECT_SECONDS),
            # What nobody waits for any more, the service need not answer.
            headers={"Akin-Timeout": f"{settings.ui_answer_seconds:g}"},
            limits=httpx.Limits(max_connections=settings.ui_searches, max_keepalive_connections=settings.ui_searches),
            # The service is a neighbour; a proxy meant for the outside world must not come between.
            trust_env=False,
        )

    async def search(self, state: PageState) -> Answer:
        """Search for what the state asks.

        Raises:
            RequestFailed: No answer; the subclass says why.
        """
        return await self._ask("POST", "/search", Answer, search_request(state))

    async def corpus(self, snapshot: str | None = None) -> CorpusInfo:
        """Describe the corpus; the last description is used again if it is of that snapshot.

        Raises:
            RequestFailed: No answer; the subclass says why.
        """
        if self._corpus is None or snapshot is None or self._corpus.snapshot != snapshot:
            self._corpus = await self._ask("GET", "/corpus", CorpusInfo)
        return self._corpus

    async def await_ready(self) -> None:
        """Wait until the service can answer something; write down for what, whenever that changes."""
        said = ""
        while True:
            try:
                response = await self._http.get("/health/ready", timeout=_CONNECT_SECONDS)
                trouble = "" if response.is_success else "it has nothing to search yet"
            except httpx.HTTPError:
                trouble = "nothing answers there"
            if not trouble:
                if said:
                    _log.warning("%s is ready", self.url)
                return
            if trouble != said:
                _log.warning("waiting for %s: %s", self.url, trouble)
                said = trouble
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> SearchService:
        """Return the service itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def _ask(
        self, method: str, path: str, shape: type[_Understood], body: dict[str, object] | None = None
    ) -> _Understood:
        try:
            response = await self._http.request(method, path, json=body)
        except httpx.TimeoutException as error:
            raise NoAnswer("The search service did not answer in time.") from error
        except httpx.TransportError as error:
            raise NoAnswer("The search service does not answer.") from error
        except httpx.DecodingError as error:
            raise AnswerNotUnderstood("The answer of the search service cannot be decoded.") from error
        if not response.is_success:
            raise _translate(response)
        try:
            return shape.model_validate_json(response.content)
        except ValidationError as error:
            raise AnswerNotUnderstood("Something answers, but not as Akin's search service does.") from error


def search_request(state: PageState) -> dict[str, object]:
    """Return the JSON body of `POST /search` for a state that asks for something."""
    body: dict[str, object] = {"k": state.k, "offset": state.offset, "mode": state.mode}
    if state.q:
        body["query"] = state.q
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
    return body


def _translate(response: httpx.Response) -> RequestFailed:
    try:
        error = _ErrorAnswer.model_validate_json(response.content).error
    except ValidationError:
        return AnswerNotUnderstood(f"The search service answers with status {response.status_code} and no explanation.")
    if error.code == "no_snapshot":
        return NothingIndexed(error.message)
    if response.status_code >= 500 or response.status_code == 429:
        return ServiceBusy(error.message)
    return RequestRefused(error.message, error.code)
