"""Search a corpus in which some papers have no vector yet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from retrieval_service.errors import EncoderUnavailable
from retrieval_service.ports import RowSet
from retrieval_service.search.answer import Coverage
from retrieval_service.search.request import Mode, SearchRequest

LEXICAL = {3: 30.0, 1: 20.0, 0: 10.0}


def corpus_of(fakes: Any, *covered: int) -> Any:
    """Return a corpus of six papers, of which these have a vector."""
    corpus = fakes.Corpus(fakes.papers, {row: 0.9 - row / 10 for row in covered}, LEXICAL)
    mask = np.zeros(6, np.bool_)
    mask[list(covered)] = True
    corpus.covered = RowSet(mask, len(covered))
    return corpus


async def test_a_hybrid_answer_says_how_many_papers_have_a_vector(engine: Any, fakes: Any) -> None:
    answer = await engine.search(corpus_of(fakes, 0, 1), SearchRequest(text="some words"))
    assert answer.coverage == Coverage(2, 6)
    assert answer.degraded == "2 of 6 papers have a vector so far; the others are found by their words alone."
    # The best match by words is first, although it has no vector.
    assert answer.results[0].id == fakes.papers[3].id
    assert "dense" not in answer.results[0].sources


async def test_a_dense_answer_says_what_was_searched(engine: Any, fakes: Any) -> None:
    answer = await engine.search(corpus_of(fakes, 0, 1), SearchRequest(text="some words", mode=Mode.DENSE))
    assert [result.id for result in answer.results] == [fakes.papers[0].id, fakes.papers[1].id]
    assert (answer.degraded, answer.coverage) == (None, Coverage(2, 6))
    assert answer.notes == (
        "2 of 6 papers have a vector so far, and only these were searched; mode hybrid searches all.",
    )


async def test_a_lexical_answer_needs_no_vectors(engine: Any, fakes: Any) -> None:
    answer = await engine.search(corpus_of(fakes, 0), SearchRequest(text="some words", mode=Mode.LEXICAL))
    assert (answer.degraded, answer.coverage, answer.notes) == (None, None, ())


@pytest.mark.parametrize(("mode", "found"), [(Mode.HYBRID, 3), (Mode.DENSE, 0)])
async def test_without_any_vector_nothing_is_embedded(engine: Any, fakes: Any, mode: Mode, found: int) -> None:
    corpus = corpus_of(fakes)
    answer = await engine.search(corpus, SearchRequest(text="some words", mode=mode))
    assert (len(answer.results), corpus.embedded, answer.coverage) == (found, [], Coverage(0, 6))
    assert corpus.vectors.asked == []


async def test_a_lost_encoder_is_the_reason_that_is_said(engine: Any, fakes: Any) -> None:
    corpus = corpus_of(fakes, 0, 1)
    corpus.trouble = EncoderUnavailable("The encoder is away.")
    answer = await engine.search(corpus, SearchRequest(text="some words"))
    assert answer.degraded == "The encoder is away. These results come from lexical search alone."
    assert answer.coverage is None


async def test_papers_like_one_without_a_vector_are_found_by_its_text(engine: Any, fakes: Any) -> None:
    corpus = corpus_of(fakes, 0, 1)
    found = await engine.search(corpus, SearchRequest(like=(fakes.papers[3].id, fakes.papers[1].id)))
    assert corpus.embedded_papers == [["Title 4. Abstract 4"]]
    # The mean of the vector of the text, (1, 0), and of the stored one, ten degrees away.
    np.testing.assert_allclose(corpus.vectors.asked[0][0], [np.cos(np.radians(5)), np.sin(np.radians(5))], atol=1e-6)
    assert fakes.papers[3].id not in {result.id for result in found.results}
    corpus.embedded_papers.clear()
    await engine.search(corpus, SearchRequest(like=(fakes.papers[0].id,), unlike=(fakes.papers[5].id,)))
    assert corpus.embedded_papers == [["Title 6. Abstract 6"]]


async def test_papers_without_a_vector_are_embedded_together(engine: Any, fakes: Any) -> None:
    corpus = corpus_of(fakes, 0)
    like = tuple(paper.id for paper in fakes.papers[:4])
    await engine.search(corpus, SearchRequest(like=like, unlike=(fakes.papers[5].id,)))
    assert corpus.embedded_papers == [[f"Title {n}. Abstract {n}" for n in (2, 3, 4, 6)]]


async def test_papers_like_one_without_a_vector_need_the_encoder_in_dense_search_only(engine: Any, fakes: Any) -> None:
    corpus = corpus_of(fakes, 0, 1)
    corpus.trouble = EncoderUnavailable("The encoder is away.")
    answer = await engine.search(corpus, SearchRequest(like=(fakes.papers[3].id,)))
    assert answer.results
    assert "The encoder is away." in answer.degraded
    with pytest.raises(EncoderUnavailable):
        await engine.search(corpus, SearchRequest(like=(fakes.papers[3].id,), mode=Mode.DENSE))
    # A paper with a vector needs no encoder.
    assert (await engine.search(corpus, SearchRequest(like=(fakes.papers[0].id,), mode=Mode.DENSE))).results
