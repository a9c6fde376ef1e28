"""Hold the state that the routes share; give a request its deadline and its turn."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from math import isfinite
from time import monotonic
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from retrieval_service.admission import Admission
from retrieval_service.collection.keeping import Collector
from retrieval_service.corpus.live_corpus import LiveCorpus
from retrieval_service.corpus.open_corpus import OpenCorpus
from retrieval_service.errors import InvalidParameter
from retrieval_service.feedback.keeping import Feedback
from retrieval_service.metrics import Metrics
from retrieval_service.recall.sampler import RecallSampler
from retrieval_service.routes.entity_tags import AnswerTag
from retrieval_service.search.engine import SearchEngine
from retrieval_service.search.reranking import Reranking

TIMEOUT_HEADER = "akin-timeout"
"""Header of a request with the seconds that its client waits for the answer."""
LEAST_TIMEOUT = 0.000001
"""Seconds. Clients that send what is left of their time may send little; less than this can only be a mistake."""


@dataclass(frozen=True)
class ServiceState:
    """Parts of a running application.

    Attributes:
        live: The corpus that is searched, and its encoder.
        engine: Searches the corpus.
        metrics: Counters and timers.
        searches: Turns of searches and of texts to embed.
        bulk: Turns of many texts to embed or to rerank, which take seconds.
        reads: Turns of reading a paper, which no search delays.
        read_threads: Threads that read papers.
        search_seconds: The longest time for an answer.
        bulk_seconds: The longest time for an answer to a request with many texts.
        body_seconds: The longest time for a body to arrive.
        tag_seed: The part of the tags of answers that does not change while the process runs.
        reranking: Puts results in order, where there is a reranker.
        feedback: Keeps what readers say of results, where that is turned on.
        collector: Keeps a sample of the searches, where that is turned on.
        recall: Compares the index with exact search, where that is turned on.
        log_queries: True if the text of each search is logged.
    """

    live: LiveCorpus
    engine: SearchEngine
    metrics: Metrics
    searches: Admission
    bulk: Admission
    reads: Admission
    read_threads: Executor
    search_seconds: float
    bulk_seconds: float
    body_seconds: float
    tag_seed: bytes
    reranking: Reranking
    feedback: Feedback | None = None
    collector: Collector | None = None
    recall: RecallSampler | None = None
    log_queries: bool = False


def service_state(request: Request) -> ServiceState:
    """Return the state of the application that received a request."""
    state: ServiceState = request.app.state.service
    return state


def deadline_of(request: Request, longest: float | None = None) -> float:
    """Return the moment at which work on an answer ends, by `time.monotonic`.

    A request may shorten the service's own limit, `longest` or that of a search, with the header Akin-Timeout.

    Raises:
        InvalidParameter: The header is not a number of seconds, or less than `LEAST_TIMEOUT`.
    """
    now, longest = monotonic(), service_state(request).search_seconds if longest is None else longest
    given = request.headers.get(TIMEOUT_HEADER)
    if given is None:
        return now + longest
    try:
        seconds = float(given)
    except ValueError:
        seconds = float("nan")
    if not isfinite(seconds) or seconds < LEAST_TIMEOUT:
        raise InvalidParameter(
            f"The header Akin-Timeout must be a number of seconds, such as 2.5, at least {LEAST_TIMEOUT:f}, not "
            f"{given[:40]!r}.",
            {"parameter": "Akin-Timeout"},
        )
    return now + min(seconds, longest)


async def answer_from_corpus(
    request: Request,
    turns: Admission,
    deadline: float,
    asked: object,
    work: Callable[[OpenCorpus], Coroutine[Any, Any, Response]],
) -> Response:
    """Return the response that the work makes from the corpus in its turn; 304 at once if the client has it.

    Args:
        request: The request.
        turns: The turns of such work.
        deadline: The moment at which the work ends.
        asked: The parameters of a GET with their defaults, which the answer depends on; they become its tag.
        work: Makes the response.
    """
    state = service_state(request)
    tag = None if request.method == "POST" else AnswerTag(request, state.tag_seed, asked)
    if tag and state.live.current and (known := tag.not_modified(state.live.current.manifest)):
        return known

    async def answer() -> Response:
        with state.live.hold() as corpus:
            response = await work(corpus)
            return tag.put_on(response, corpus.manifest) if tag else response

    return await answer_in_turn(request, turns, deadline, answer)


async def answer_in_turn(
    request: Request, turns: Admission, deadline: float, work: Callable[[], Coroutine[Any, Any, Response]]
) -> Response:
    """Return the response that the work makes in its turn, unless the client disconnects before."""
    return await turns.run(work, until=deadline, gone=lambda: disconnected(request))


async def disconnected(request: Request) -> None:
    """Return when the client has closed its connection; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
