from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import numpy as np
import pytest

from akin.papers import Paper
from retrieval_service.errors import BlankQuery, EncoderUnavailable, UnknownPaper
from retrieval_service.search.engine import SearchEngine
from retrieval_service.search.fusion import min_max
from retrieval_service.search.request import Mode, SearchRequest
from retrieval_service.search.warm_up import warm

DENSE = {0: 0.9, 1: 0.8, 2: 0.1}
LEXICAL = {3: 30.0, 1: 20.0, 0: 10.0}


@pytest.fixture
def corpus(fakes: Any) -> Any:
    return fakes.Corpus(fakes.papers, DENSE, LEXICAL)


async def test_hybrid_joins_both_rankings_and_fetches_papers_once(engine: Any, corpus: Any) -> None:
    answer = await engine.search(corpus, SearchRequest(text="some words", k=3))
    assert [result.id[-1] for result in answer.results] == ["2", "1", "4"]
    assert answer.results[0].sources["dense"] == pytest.approx(0.8)
    assert answer.results[0].sources["lexical"] == pytest.approx(20.0)
    assert "dense" not in answer.results[2].sources
    assert corpus.catalogue.fetches <= 2
    assert corpus.vectors.asked[0][1] == corpus.lexical.asked[0][1] == 100
    assert answer.searched == 6
    assert (answer.query.tokens, answer.query.truncated, answer.degraded) == (2, False, None)
    assert answer.timings.total_ms >= answer.timings.fetch_ms > 0


async def test_texts_count_in_hybrid_search_only(corpus: Any) -> None:
    async def order(mode: Mode, text: str) -> str:
        answer = await engine.search(corpus, SearchRequest(text=text, mode=mode, collapse=False))
        assert mode is not Mode.HYBRID or all(0 <= result.score <= 1 for result in answer.results)
        return "".join(result.id[-1] for result in answer.results)

    with ThreadPoolExecutor(2) as executor:
        engine = SearchEngine(executor, min_max, 100, text_weight=1.0)
        assert (await order(Mode.HYBRID, "some words"), await order(Mode.HYBRID, "abstract 4")) == ("2143", "4213")
        for mode in (Mode.LEXICAL, Mode.DENSE):
            assert await order(mode, "some words") == await order(mode, "abstract 4")


@pytest.mark.parametrize(("mode", "first"), [(Mode.DENSE, "1"), (Mode.LEXICAL, "4")])
async def test_one_index_alone_is_searched_as_deep_as_both(engine: Any, corpus: Any, mode: Mode, first: str) -> None:
    for collapse, k in ((False, 2), (True, 2), (False, 100)):
        asked = SearchRequest(text="words", k=k, offset=0, mode=mode, collapse=collapse)
        answer = await engine.search(corpus, asked)
        assert answer.results[0].id.endswith(first)
    assert [depth for _, depth in corpus.vectors.asked] == [100] * 3 * (mode is Mode.DENSE)
    assert [depth for _, depth in corpus.lexical.asked] == [100] * 3 * (mode is Mode.LEXICAL)


async def test_lexical_search_does_not_call_the_encoder(engine: Any, corpus: Any) -> None:
    answer = await engine.search(corpus, SearchRequest(text="words", mode=Mode.LEXICAL))
    assert corpus.embedded == []
    assert answer.query.tokens is None


async def test_the_encoder_is_told_whether_a_text_is_a_query_or_an_abstract(engine: Any, corpus: Any) -> None:
    for request in (SearchRequest(text="some words"), SearchRequest(abstract="Some words."), SearchRequest(text="x")):
        await engine.search(corpus, request)
    assert corpus.embedded == ["some words", "Some words.", "x"]
    assert corpus.roles == ["query", "abstract", "query"]


async def test_truncation_is_reported(engine: Any, corpus: Any) -> None:
    assert (await engine.search(corpus, SearchRequest(text="one two three four five six"))).query.truncated
    assert not (await engine.search(corpus, SearchRequest(text="one two three four five"))).query.truncated


async def test_hybrid_becomes_lexical_without_the_encoder(engine: Any, corpus: Any) -> None:
    corpus.trouble = EncoderUnavailable("It is away.")
    answer = await engine.search(corpus, SearchRequest(text="words"))
    assert "It is away." in answer.degraded
    assert [result.score for result in answer.results] == [30.0, 20.0, 10.0]
    with pytest.raises(EncoderUnavailable):
        await engine.search(corpus, SearchRequest(text="words", mode=Mode.DENSE))


async def test_the_reason_for_half_an_answer_names_no_address(engine: Any, corpus: Any) -> None:
    corpus.trouble = EncoderUnavailable("Triton at grpc://triton:8001 did not answer.")
    answer = await engine.search(corpus, SearchRequest(text="words"))
    assert answer.degraded == "Triton did not answer. These results come from lexical search alone."


async def test_like_uses_the_mean_of_stored_vectors_and_leaves_the_papers_out(engine: Any, corpus: Any) -> None:
    liked = (corpus.catalogue.all[0].id, corpus.catalogue.all[2].id)
    answer = await engine.search(corpus, SearchRequest(like=liked, k=10))
    assert corpus.embedded == []
    vector, depth = corpus.vectors.asked[0]
    np.testing.assert_allclose(vector, corpus.vectors.vectors([1])[0], rtol=1e-6)
    assert depth == 102
    assert "Title 1. Abstract 1" in corpus.lexical.asked[0][0]
    assert not set(liked) & {result.id for result in answer.results}
    assert [paper.id for paper in answer.query.like] == list(liked)


async def test_unlike_turns_away_from_papers_and_leaves_them_out(engine: Any, corpus: Any) -> None:
    liked, unliked = corpus.catalogue.all[0], corpus.catalogue.all[3]
    answer = await engine.search(corpus, SearchRequest(like=(liked.id,), unlike=(unliked.id,)))
    vector, _ = corpus.vectors.asked[0]
    near, far = corpus.vectors.vectors([0, 3])
    assert vector @ far < near @ far
    assert vector @ vector == pytest.approx(1)
    assert corpus.lexical.more[0]["against"] == ("Title 4. Abstract 4", pytest.approx(0.2))
    assert not {liked.id, unliked.id} & {result.id for result in answer.results}
    assert [paper.id for paper in answer.query.unlike] == [unliked.id]


async def test_operators_are_conditions_and_their_words_are_not_embedded(engine: Any, corpus: Any) -> None:
    corpus.lexical.meeting = {0, 1, 4}
    answer = await engine.search(corpus, SearchRequest(text='ti:graph -au:erdos "some phrase" words'))
    assert corpus.embedded == ["some phrase words"]
    assert corpus.lexical.asked[0][0] == "some phrase words"
    assert corpus.vectors.more[0]["within"].mask.tolist() == [True, True, False, False, True, False]
    assert corpus.lexical.more[0]["admitted"].clauses
    assert answer.query.operators == ("ti:graph", "-au:erdos", '"some phrase"')
    assert (answer.searched, answer.query.words) == (3, "some phrase words")
    corpus.embedded.clear()
    await engine.search(corpus, SearchRequest(text="ti:graph words", operators=False))
    assert corpus.embedded == ["ti:graph words"]


@pytest.mark.parametrize("mode", list(Mode))
async def test_a_query_of_operators_only_is_answered_by_lexical_search(engine: Any, corpus: Any, mode: Mode) -> None:
    corpus.lexical.meeting = {0, 3}
    answer = await engine.search(corpus, SearchRequest(text="ti:graph", mode=mode))
    assert (answer.mode, corpus.embedded, corpus.vectors.asked) == (Mode.LEXICAL, [], [])
    assert answer.results
    with pytest.raises(BlankQuery):
        await engine.search(corpus, SearchRequest(text="-ti:graph", mode=mode))


async def test_a_paper_in_two_versions_is_one_result(engine: Any, fakes: Any) -> None:
    first, second, *others = fakes.papers
    again = Paper(f"{second.id}v3", second.title, second.abstract)
    corpus = fakes.Corpus([first, second, again, *others], DENSE, {2: 30.0, 1: 20.0, 0: 10.0})
    corpus.vectors.vectors = lambda rows: np.eye(7, dtype=np.float32)[[{2: 1}.get(row, row) for row in rows]]
    answer = await engine.search(corpus, SearchRequest(text="words", mode=Mode.LEXICAL))
    assert [(result.id, result.duplicates) for result in answer.results] == [
        (again.id, (second.id,)), (first.id, ()),
    ]  # fmt: skip
    apart = await engine.search(corpus, SearchRequest(text="words", mode=Mode.LEXICAL, collapse=False))
    assert [result.id for result in apart.results] == [again.id, second.id, first.id]


async def test_a_query_that_is_an_id_means_the_paper(engine: Any, corpus: Any) -> None:
    answer = await engine.search(corpus, SearchRequest(text=" arXiv:2001.00002v3 "))
    assert answer.query.text is None
    assert [paper.id for paper in answer.query.like] == ["2001.00002"]
    with pytest.raises(UnknownPaper, match=r"1706\.03762"):
        await engine.search(corpus, SearchRequest(text="https://arxiv.org/abs/1706.03762"))


async def test_a_filter_that_admits_nothing_searches_nothing(engine: Any, corpus: Any) -> None:
    answer = await engine.search(corpus, SearchRequest(text="words", first=date(2020, 1, 1)))
    assert (answer.results, answer.searched) == ([], 0)
    assert corpus.vectors.asked == corpus.lexical.asked == []


async def test_pages_beyond_the_end_are_empty(engine: Any, corpus: Any) -> None:
    assert (await engine.search(corpus, SearchRequest(text="words", offset=500))).results == []


async def test_warm_up_searches_in_every_mode_and_stops_where_the_encoder_is_away(engine: Any, corpus: Any) -> None:
    await warm(engine, corpus)
    assert len(corpus.embedded) == 4
    assert len(corpus.lexical.asked) == 12
    corpus.trouble = EncoderUnavailable("It is away.")
    await warm(engine, corpus)
    assert len(corpus.embedded) == 4
