"""The best results in the order of a reranker: bounded, in time, the same on all pages, and never a failed search."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from akin.papers import Paper
from retrieval_service.adapters.triton_reranker import TritonReranker
from retrieval_service.adapters.triton_wire import GrpcWire
from retrieval_service.deadline import deadline
from retrieval_service.errors import EncoderUnavailable, InvalidParameter
from retrieval_service.metrics import Metrics
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.search.engine import SearchEngine
from retrieval_service.search.fusion import min_max
from retrieval_service.search.request import Mode, SearchRequest, Sort
from retrieval_service.search.reranking import Reranking

DENSE = {0: 0.9, 1: 0.8, 2: 0.7, 3: 0.6, 4: 0.5, 5: 0.4}


class Reversing:
    """Reranker that prefers the highest number in a passage; records what it reads."""

    def __init__(self, *, ready: bool = True, trouble: Exception | None = None) -> None:
        self.ready, self.trouble = ready, trouble
        self.asked: list[tuple[str, list[str], float]] = []

    async def is_ready(self) -> bool:
        return self.ready

    async def score(self, query: str, passages: Sequence[str], seconds: float) -> Any:
        self.asked.append((query, list(passages), seconds))
        if self.trouble is not None:
            raise self.trouble
        return np.asarray([float(passage.split()[-1]) for passage in passages], np.float32)


@pytest.fixture
def corpus(fakes: Any) -> Any:
    return fakes.Corpus(fakes.papers, DENSE, {})


async def search(corpus: Any, reranker: Any, most: int = 50, seconds: float = 2.0, **request: Any) -> Any:
    with ThreadPoolExecutor(2) as executor:
        engine = SearchEngine(executor, min_max, 100, reranking=Reranking(reranker, most, seconds))
        asked = {"text": "some words", "mode": Mode.DENSE, "collapse": False, **request}
        return await engine.search(corpus, SearchRequest(**asked))


@pytest.mark.parametrize("order", [{"sort": Sort.NEWEST}, {"diversity": 0.3}])
async def test_results_in_an_order_of_their_own_are_not_reranked(corpus: Any, order: dict[str, Any]) -> None:
    reranker = Reversing()
    answer = await search(corpus, reranker, rerank=3, **order)
    assert (reranker.asked, answer.reranked) == ([], 0)
    assert answer.notes == ("rerank: only results in the order of relevance, not spread, are reranked.",)


def numbers(answer: Any) -> str:
    return "".join(result.id[-1] for result in answer.results)


async def test_the_best_results_are_put_in_order_and_the_rest_follow(corpus: Any) -> None:
    reranker = Reversing()
    answer = await search(corpus, reranker, rerank=4)
    assert numbers(answer) == "432156"
    assert answer.reranked == 4
    ((query, passages, _),) = reranker.asked
    assert query == "some words"
    assert passages == [f"Title {n}. Abstract {n}" for n in (1, 2, 3, 4)]
    assert [result.sources.get("reranker") for result in answer.results] == [4, 3, 2, 1, None, None]
    assert answer.results[0].score < answer.results[1].score, "the score stays that of the search"
    assert answer.timings.rerank_ms > 0
    assert answer.degraded is None


@pytest.mark.parametrize(
    ("weight", "order"),
    # Of the four results, the search gives shares of 1, 2/3, 1/3 and 0, the reranker 0, 0.1, 0.9 and 1.
    [(0.0, "123456"), (0.2, "123456"), (0.5, "314256"), (0.6, "341256"), (1.0, "432156")],
)
async def test_the_scores_of_the_search_and_of_the_reranker_are_weighed(corpus: Any, weight: float, order: str) -> None:
    class Graded(Reversing):
        async def score(self, query: str, passages: Sequence[str], seconds: float) -> Any:
            return np.asarray([-3.0, -2.0, 6.0, 7.0], np.float32)

    with ThreadPoolExecutor(2) as executor:
        engine = SearchEngine(executor, min_max, 100, reranking=Reranking(Graded(), weight=weight))
        answer = await engine.search(
            corpus, SearchRequest(text="some words", mode=Mode.DENSE, collapse=False, rerank=4)
        )
    assert numbers(answer) == order
    assert answer.results[0].sources["reranker"] == {"1": -3, "3": 6, "4": 7}[order[0]]


def test_equal_scores_keep_their_order() -> None:
    for weight in (0.0, 0.5, 1.0):
        assert Reranking(None, weight=weight).order(np.zeros(3, np.float32), [1.0, 1.0, 1.0]) == [0, 1, 2]
    assert Reranking(None, weight=1.0).order(np.asarray([1, 2, 2], np.float32), [9.0, 8.0, 7.0]) == [1, 2, 0]
    assert Reranking(None, weight=0.5).order(np.asarray([], np.float32), []) == []


@pytest.mark.parametrize("k", [1, 2, 4, 5])
async def test_pages_are_cut_from_one_order(corpus: Any, k: int) -> None:
    whole = numbers(await search(corpus, Reversing(), rerank=4, k=100))
    pages = [numbers(await search(corpus, Reversing(), rerank=4, k=k, offset=at)) for at in range(0, 6, k)]
    assert "".join(pages) == whole == "432156"


async def test_pages_behind_cost_nothing(corpus: Any) -> None:
    reranker = Reversing()
    answer = await search(corpus, reranker, rerank=4, offset=4)
    assert (numbers(answer), answer.reranked, reranker.asked) == ("56", 0, [])


async def test_nothing_happens_without_a_request_for_it(corpus: Any) -> None:
    reranker = Reversing()
    answer = await search(corpus, reranker)
    assert (numbers(answer), answer.reranked, answer.notes, reranker.asked) == ("123456", 0, (), [])
    assert answer.timings.rerank_ms == 0


async def test_duplicates_are_folded_before(corpus: Any) -> None:
    corpus.catalogue.all[1] = corpus.catalogue.all[0]
    corpus.vectors.vectors = lambda rows: np.asarray(
        [[1.0, 0.0] if row < 2 else [0.0, 1.0] for row in rows], np.float32
    )
    answer = await search(corpus, Reversing(), rerank=3, collapse=True)
    assert answer.folded == 1
    assert numbers(answer)[:3] == "431"


async def test_the_number_is_bounded(corpus: Any) -> None:
    for rerank in (3, 10**9):
        answer = await search(corpus, Reversing(), most=2, rerank=rerank)
        assert (numbers(answer), answer.reranked) == ("213456", 2)
        assert answer.notes == ("rerank: at most 2 results are reranked.",)
    parameters = Parameters(SearchRequest)
    assert parameters.validate({"query": "a", "rerank": "7"}).rerank == 7
    for wrong in (-1, "-1", "x", True, 1.5):
        with pytest.raises(InvalidParameter, match="rerank"):
            parameters.validate({"query": "a", "rerank": wrong})


async def test_one_result_and_no_result(corpus: Any) -> None:
    only = await search(corpus, Reversing(), rerank=10, ids=(corpus.catalogue.all[0].id,))
    assert only.searched == 1
    nothing = await search(corpus, Reversing(), rerank=10, categories=("cs.LG",), ids=(corpus.catalogue.all[1].id,))
    assert (nothing.results, nothing.reranked) == ([], 0)


async def test_without_a_reranker_a_note_says_so(corpus: Any) -> None:
    for reranker in (None, Reversing(ready=False)):
        answer = await search(corpus, reranker, rerank=4)
        assert (numbers(answer), answer.reranked, answer.degraded) == ("123456", 0, None)
        assert "no reranker" in answer.notes[0]


async def test_searches_without_words_are_not_reranked(corpus: Any) -> None:
    reranker = Reversing()
    like = await search(corpus, reranker, rerank=4, text=None, like=(corpus.catalogue.all[0].id,))
    conditions = await search(corpus, reranker, rerank=4, text="cat:cs.LG", mode=Mode.HYBRID)
    for answer in (like, conditions):
        assert answer.reranked == 0
        assert "only searches by words" in answer.notes[-1]
    assert reranker.asked == []


async def test_a_failure_leaves_the_order_of_the_search(corpus: Any) -> None:
    trouble = EncoderUnavailable("Triton at grpc://triton:8001 did not answer.")
    answer = await search(corpus, Reversing(trouble=trouble), rerank=4, k=2)
    assert (numbers(answer), answer.reranked) == ("12", 0)
    assert answer.degraded == "Triton did not answer. These results are not reranked."


async def test_it_gets_half_of_the_time_that_is_left(corpus: Any) -> None:
    reranker = Reversing()
    with deadline(monotonic() + 1.0):
        await search(corpus, reranker, rerank=4, seconds=30.0)
    await search(corpus, reranker, rerank=4, seconds=0.25)
    (*_, short), (*_, own) = reranker.asked
    assert 0.2 < short <= 0.5
    assert own == 0.25


async def test_odd_texts_are_sent_as_text(corpus: Any) -> None:
    corpus.catalogue.all[0] = Paper("2001.00001", "A\0\ud800 1", "", categories=())
    corpus.catalogue.all[1] = Paper("2001.00002", "", "", categories=())
    corpus.catalogue.all[2] = Paper("2001.00003", "x" * 100_000 + " 3", "", categories=())

    class Lengths(Reversing):
        async def score(self, query: str, passages: Sequence[str], seconds: float) -> Any:
            self.asked.append((query, list(passages), seconds))
            return np.asarray([len(passage) for passage in passages], np.float32)

    reranker = Lengths()
    await search(corpus, reranker, rerank=3, text="q\ud800 " + "word " * 3000)
    ((query, passages, _),) = reranker.asked
    assert len(query) <= 5000
    assert passages[0] == "A \ufffd 1"
    assert passages[1] == "2001.00002"
    assert len(passages[2]) <= 5000


async def test_presence_is_asked_for_only_now_and_then() -> None:
    class Wire:
        asked = 0

        async def has_reranker(self, seconds: float) -> bool:
            self.asked += 1
            return True

    wire: Any = Wire()
    reranker = TritonReranker(wire, known_seconds=60)
    assert [await reranker.is_ready() for _ in range(3)] == [True] * 3
    assert wire.asked == 1
    brief = TritonReranker(wire, known_seconds=0)
    assert [await brief.is_ready() for _ in range(3)] == [True] * 3
    assert wire.asked == 4


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        ("StatusCode.UNAVAILABLE", "away", "Triton at triton:8001 cannot rerank now: away"),
        ("StatusCode.INVALID_ARGUMENT", "QUERY row 0 is blank", "The reranker did not accept the text: QUERY row 0"),
        ("StatusCode.UNAVAILABLE", "Request timeout expired", "The reranker has more requests than it can answer"),
    ],
)
async def test_a_failure_names_the_reranker(status: str, text: str, message: str) -> None:
    class Client:
        async def infer(self, *_: Any, **__: Any) -> Any:
            raise InferenceServerException(text, status)

        async def close(self) -> None: ...

    wire = GrpcWire("triton:8001")
    wire._open_client = Client()
    with pytest.raises(EncoderUnavailable, match=message):
        await wire.score("words", ["a passage"], 1.0)


async def test_the_time_of_reranked_searches_alone_is_measured_and_failures_are_counted(corpus: Any) -> None:
    metrics = Metrics()
    for reranker, rerank in ((Reversing(), 0), (Reversing(), 4), (Reversing(trouble=EncoderUnavailable("Away.")), 4)):
        answer = await search(corpus, reranker, rerank=rerank)
        metrics.record_search(answer.timings, answer.degraded is not None, answer.reranked)
    text = metrics.text().decode()
    assert 'akin_search_stage_seconds_count{stage="rerank"} 2.0' in text
    assert 'akin_search_stage_seconds_count{stage="fetch"} 3.0' in text
    assert "akin_rerank_failures_total 1.0" in text
    assert "akin_degraded_searches_total 0.0" in text
