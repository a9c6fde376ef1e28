"""Many conditions at once: few searches of the index, and none after the deadline."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest

from indexing.lexical_writer import LexicalWriter
from papers import Paper
from retrieval_service import deadline as deadlines
from retrieval_service.adapters import tantivy_filter
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.admission import Admission
from retrieval_service.deadline import deadline
from retrieval_service.errors import ClientGone, DeadlineExceeded
from retrieval_service.ports import Clause, Field
from retrieval_service.threads import Job

pytestmark = pytest.mark.integration

PAPERS = 400
AT_ONCE = 50
EXCLUSIONS = [Clause(Field.ANYWHERE, (f"w{number}",), excluded=True) for number in range(60)]


class Counting:
    """A searcher that counts its searches and calls `then` at one of them."""

    def __init__(self, searcher: Any) -> None:
        self._searcher = searcher
        self.searches = 0
        self.at = 0
        self.then = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._searcher, name)

    def search(self, *arguments: Any, **more: Any) -> Any:
        self.searches += 1
        if self.searches == self.at:
            self.then()
        return self._searcher.search(*arguments, **more)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TantivyIndex:
    monkeypatch.setattr(tantivy_filter, "AT_ONCE", AT_ONCE)
    with LexicalWriter(tmp_path / "lexical") as writer:
        words = (f"w{number % 120} {'odd' if number % 2 else 'even'} v{number % 3}" for number in range(PAPERS))
        writer.add(0, [Paper(f"own:{row}", text, "", (), ()) for row, text in enumerate(words)])
        writer.close()
    opened = TantivyIndex(tmp_path / "lexical")
    opened._searcher = opened._rows._searcher = Counting(opened._searcher)
    return opened


def counted(index: TantivyIndex) -> Counting:
    searcher: Any = index._searcher
    assert isinstance(searcher, Counting)
    return searcher


def test_many_exclusions_are_searched_for_as_one(index: TantivyIndex) -> None:
    found = index.matching(EXCLUSIONS)
    most = 1 + 4 * (PAPERS // AT_ONCE)
    assert counted(index).searches <= most

    before = counted(index).searches
    assert np.array_equal(index.matching(EXCLUSIONS), found)
    assert counted(index).searches == before
    assert np.array_equal(found, [row % 120 >= 60 for row in range(PAPERS)])


def test_required_clauses_are_searched_for_as_one(index: TantivyIndex) -> None:
    wanted = [Clause(Field.TITLE, ("even",)), Clause(Field.ANYWHERE, ("v0",)), Clause(Field.ANYWHERE, ("w6", "w12"))]
    found = index.matching(wanted)
    assert counted(index).searches == 1
    assert np.flatnonzero(found).tolist() == [row for row in range(PAPERS) if row % 120 in (6, 12)]


def test_a_clause_searched_for_before_is_not_searched_for_again(index: TantivyIndex) -> None:
    index.matching(EXCLUSIONS[:1])
    index.matching(EXCLUSIONS[1:2])
    before = counted(index).searches
    index.matching(EXCLUSIONS[:2])
    assert counted(index).searches == before


def test_after_the_deadline_no_further_run_is_fetched(index: TantivyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    now = monotonic()
    clock = [now]
    monkeypatch.setattr(deadlines, "monotonic", lambda: clock[0])
    searcher = counted(index)
    searcher.at, searcher.then = 3, lambda: clock.__setitem__(0, now + 20)
    with deadline(now + 10), pytest.raises(DeadlineExceeded):
        index.matching([Clause(Field.TITLE, ("odd",))])
    assert searcher.searches == 3
    with deadline(now + 10), pytest.raises(DeadlineExceeded):
        index.search("odd", 10)
    assert searcher.searches == 3
    # The incomplete answer was not kept.
    assert int(index.matching([Clause(Field.TITLE, ("odd",))]).sum()) == PAPERS // 2


def test_a_search_whose_client_is_gone_stops_in_its_thread(index: TantivyIndex) -> None:
    searcher = counted(index)
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
                await Job(executor, index.matching, [Clause(Field.TITLE, ("odd",))]).result()

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
