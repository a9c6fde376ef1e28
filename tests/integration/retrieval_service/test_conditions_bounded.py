"""Many conditions at once: few searches of the index, and none after the deadline."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper
from retrieval_service import deadline as deadlines
from retrieval_service.adapters import tantivy_filter
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.admission import Admission
from retrieval_service.deadline import deadline
from retrieval_service.errors import ClientGone, DeadlineExceeded
from retrieval_service.filter import Clause, Field
from retrieval_service.threads import Job
from tests.integration.retrieval_service.test_common_conditions import CountedSearcher, counted

PAPERS = 400
AT_ONCE = 50
EXCLUSIONS = [Clause(Field.ANYWHERE, (f"w{number}",), excluded=True) for number in range(60)]


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TantivyIndex, CountedSearcher]:
    monkeypatch.setattr(tantivy_filter, "AT_ONCE", AT_ONCE)
    with LexicalWriter(tmp_path / "lexical") as writer:
        words = (f"w{number % 120} {'odd' if number % 2 else 'even'} v{number % 3}" for number in range(PAPERS))
        writer.add(0, [Paper(f"own:{row}", text, "", (), ()) for row, text in enumerate(words)])
        writer.close()
    return counted(tmp_path / "lexical")


@pytest.fixture
def index(counting: tuple[TantivyIndex, CountedSearcher]) -> TantivyIndex:
    return counting[0]


@pytest.fixture
def searcher(counting: tuple[TantivyIndex, CountedSearcher]) -> CountedSearcher:
    return counting[1]


def test_many_exclusions_are_searched_for_as_one(index: TantivyIndex, searcher: CountedSearcher) -> None:
    found = index.find_rows(EXCLUSIONS)
    most = 1 + 4 * (PAPERS // AT_ONCE)
    assert searcher.searches <= most

    before = searcher.searches
    assert np.array_equal(index.find_rows(EXCLUSIONS), found)
    assert searcher.searches == before
    assert np.array_equal(found, [row % 120 >= 60 for row in range(PAPERS)])


def test_required_clauses_are_searched_for_as_one(index: TantivyIndex, searcher: CountedSearcher) -> None:
    wanted = [Clause(Field.TITLE, ("even",)), Clause(Field.ANYWHERE, ("v0",)), Clause(Field.ANYWHERE, ("w6", "w12"))]
    found = index.find_rows(wanted)
    assert searcher.searches == 1
    assert np.flatnonzero(found).tolist() == [row for row in range(PAPERS) if row % 120 in (6, 12)]


def test_a_clause_searched_for_before_is_not_searched_for_again(index: TantivyIndex, searcher: CountedSearcher) -> None:
    index.find_rows(EXCLUSIONS[:1])
    index.find_rows(EXCLUSIONS[1:2])
    before = searcher.searches
    index.find_rows(EXCLUSIONS[:2])
    assert searcher.searches == before


def test_after_the_deadline_no_further_run_is_fetched(
    index: TantivyIndex, searcher: CountedSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = monotonic()
    clock = [now]
    monkeypatch.setattr(deadlines, "monotonic", lambda: clock[0])
    searcher.at, searcher.then = 3, lambda: clock.__setitem__(0, now + 20)
    with deadline(now + 10), pytest.raises(DeadlineExceeded):
        index.find_rows([Clause(Field.TITLE, ("odd",))])
    assert searcher.searches == 3
    with deadline(now + 10), pytest.raises(DeadlineExceeded):
        index.search("odd", 10)
    assert searcher.searches == 3
    # The incomplete answer was not kept.
    assert int(index.find_rows([Clause(Field.TITLE, ("odd",))]).sum()) == PAPERS // 2


def test_a_search_whose_client_is_gone_stops_in_its_thread(index: TantivyIndex, searcher: CountedSearcher) -> None:
    inside, given_up = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        assert given_up.wait(5)

    searcher.at, searcher.then = 2, wait

    async def leave() -> None:
        admission = Admission(1, 0)
        with ThreadPoolExecutor(1) as executor:

            async def gone() -> None:
                await asyncio.to_thread(inside.wait, 5)

            async def work() -> None:
                await Job(executor, index.find_rows, [Clause(Field.TITLE, ("odd",))]).result()

            with pytest.raises(ClientGone):
                await admission.run(work, until=monotonic() + 60, gone=gone)
            given_up.set()
            await admission.finish()

    asyncio.run(leave())
    assert searcher.searches == 2


def test_a_job_that_comes_too_late_does_not_begin() -> None:
    began: list[bool] = []

    async def late() -> None:
        with ThreadPoolExecutor(1) as executor, deadline(monotonic() - 1):
            await Job(executor, began.append, True).result()

    with pytest.raises(DeadlineExceeded):
        asyncio.run(late())
    assert not began
