"""What a list lacks: its topics, and the papers near to them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.papers import Paper
from retrieval_service.errors import EncoderUnavailable, UnknownCategory, UnknownPaper
from retrieval_service.ports import Hits, RowSet
from retrieval_service.search.list_requests import MissingRequest
from retrieval_service.search.missing import find_missing
from retrieval_service.search.topics import MOST_TOPICS, topics_of

DIM = 8


def around(axis: int, count: int, seed: int) -> Any:
    """Return unit vectors near to an axis."""
    vectors = np.random.default_rng(seed).normal(0, 0.12, (count, DIM)).astype(np.float32)
    vectors[:, axis] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Near:
    """A vector index over some vectors."""

    def __init__(self, vectors: Any) -> None:
        self.all = vectors

    def search(self, vector: Any, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        scores = self.all @ vector
        if within is not None:
            scores = np.where(within.mask, scores, -np.inf)
        order = np.argsort(-scores, kind="stable")[:k]
        order = order[np.isfinite(scores[order])]
        return Hits(order, scores[order])

    def vectors(self, rows: Any) -> Any:
        return self.all[list(rows)].copy()


@pytest.fixture
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def corpus(fakes: Any) -> Any:
    """Return a corpus of three subjects, of 20 papers each; paper 60 is a second record of paper 0."""
    papers = [
        Paper(
            f"2001.{10000 + row}",
            f"Subject {'abc'[row // 20]} number{row}",
            f"Words {row} of the abstract {row * 7}",
            categories=(("cs.LG", "hep-th", "math.CO")[row // 20],),
            published=date(2000 + row % 20, 1, 1),
        )
        for row in range(60)
    ]
    papers.append(msgspec.structs.replace(papers[0], id="copy-of-0"))
    corpus = fakes.Corpus(papers, {}, {})
    vectors = np.concatenate([around(axis, 20, axis) for axis in range(3)])
    corpus.vectors = Near(np.concatenate([vectors, vectors[:1]]))
    return corpus


def ids(*rows: int) -> tuple[str, ...]:
    return tuple(f"2001.{10000 + row}" for row in rows)


def subjects(answer: Any) -> list[str]:
    return [result.title.split()[1] for result in answer.results]


def test_topics_are_the_groups_of_the_vectors_and_do_not_depend_on_chance() -> None:
    vectors = np.concatenate([around(0, 9, 1), around(1, 5, 2), around(2, 3, 3)])
    found = topics_of(vectors)
    assert [each.tolist() for each in found] == [[*range(9)], [*range(9, 14)], [*range(14, 17)]]
    assert [each.tolist() for each in topics_of(vectors)] == [each.tolist() for each in found]


@pytest.mark.parametrize(("count", "topics"), [(1, 1), (2, 1), (3, 2), (1000, MOST_TOPICS)])
def test_the_number_of_topics_grows_slowly_and_ends(count: int, topics: int) -> None:
    found = topics_of(np.random.default_rng(1).normal(size=(count, DIM)).astype(np.float32))
    assert len(found) <= topics
    assert sorted(np.concatenate(found).tolist()) == [*range(count)]


def test_equal_or_missing_vectors_are_one_topic() -> None:
    same = np.tile(around(0, 1, 1), (20, 1))
    assert [len(each) for each in topics_of(same)] == [20]
    assert sum(map(len, topics_of(np.zeros((20, DIM), np.float32)))) == 20


async def test_topics_take_turns_and_no_paper_of_the_list_is_found(executor: Executor, corpus: Any) -> None:
    listed = ids(*range(10), 20, 21, 22)
    answer = await find_missing(executor, corpus, MissingRequest(ids=listed, k=8))
    assert {result.id for result in answer.results}.isdisjoint({*listed, "copy-of-0"})
    # Thirteen papers are three topics: the large subject may be two of them, but the small one has its turn.
    assert {"a", "b"} == {*subjects(answer)[: len(answer.topics)]}
    assert "c" not in subjects(answer)
    assert sum(topic.papers for topic in answer.topics) == answer.papers == 13
    for result in answer.results:
        near = [paper.title.split()[1] for paper in result.near]
        assert near == [result.title.split()[1]] * 2
        assert result.near[0].similarity >= result.near[1].similarity > 0.8
        assert {paper.id for paper in answer.topics[result.topic].near} <= {*listed}


async def test_the_order_of_the_ids_and_other_forms_of_them_do_not_matter(executor: Executor, corpus: Any) -> None:
    one = await find_missing(executor, corpus, MissingRequest(ids=ids(3, 25, 41, 7)))
    other = await find_missing(
        executor, corpus, MissingRequest(ids=("arXiv:2001.10041v2", *ids(7, 25, 3, 3), "9912.00001", "<b>no</b>"))
    )
    assert [paper.id for paper in other.results] == [paper.id for paper in one.results]
    assert (other.unknown, other.papers, one.unknown) == (["9912.00001", "<b>no</b>"], 4, [])


async def test_conditions_and_papers_to_move_away_from_hold(executor: Executor, corpus: Any) -> None:
    answer = await find_missing(
        executor, corpus, MissingRequest(ids=ids(0, 1, 2), categories=("hep-th",), first=date(2010, 1, 1), k=50)
    )
    assert {*subjects(answer)} == {"b"}
    assert all(result.date >= "2010" for result in answer.results)
    assert answer.searched == 10
    answer = await find_missing(executor, corpus, MissingRequest(ids=ids(0), unlike=ids(5, 6), k=50))
    assert {*ids(0, 5, 6)}.isdisjoint(result.id for result in answer.results)
    with pytest.raises(UnknownCategory):
        await find_missing(executor, corpus, MissingRequest(ids=ids(0), categories=("cs.NONE",)))


async def test_a_list_that_the_corpus_lacks_is_refused(executor: Executor, corpus: Any) -> None:
    with pytest.raises(UnknownPaper) as raised:
        await find_missing(executor, corpus, MissingRequest(ids=("9912.00001", "9912.00002")))
    assert raised.value.detail == {"id": "9912.00001", "ids": ["9912.00001", "9912.00002"]}


async def test_a_list_of_all_papers_lacks_none(executor: Executor, corpus: Any) -> None:
    answer = await find_missing(executor, corpus, MissingRequest(ids=(*ids(*range(60)), "copy-of-0")))
    assert (answer.results, answer.papers) == ([], 61)
    answer = await find_missing(executor, corpus, MissingRequest(ids=ids(0), first=date(2300, 1, 1)))
    assert (answer.results, answer.searched) == ([], 0)


async def test_papers_without_a_vector_are_embedded_together(executor: Executor, corpus: Any) -> None:
    corpus.covered = RowSet(np.arange(61) >= 2, 59)

    async def embed_papers(texts: Any) -> Any:
        corpus.embedded_papers.append(list(texts))
        return around(0, len(texts), 5)

    corpus.embed_papers = embed_papers
    answer = await find_missing(executor, corpus, MissingRequest(ids=ids(0, 1, 2)))
    assert [len(each) for each in corpus.embedded_papers] == [2]
    assert answer.coverage.with_vectors == 59
    assert "59 of 61 papers have a vector so far" in answer.notes[0]

    async def away(texts: Any) -> Any:
        raise EncoderUnavailable("The encoder is away.")

    corpus.embed_papers = away
    with pytest.raises(EncoderUnavailable):
        await find_missing(executor, corpus, MissingRequest(ids=ids(0, 1, 2)))
