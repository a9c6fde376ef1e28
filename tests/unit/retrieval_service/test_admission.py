"""Admission: some requests run, a few wait, the rest is refused, and abandoned requests release their turns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.admission import Admission
from retrieval_service.deadline import seconds_left
from retrieval_service.errors import ClientGone, DeadlineExceeded, Overloaded, RetrievalError
from tests.unit.clock import Clock


class Work:
    """Work that ends when the test ends it; records which work began, and how much ran at the same time."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []
        self.most = self.now = 0
        self.may_end = asyncio.Event()
        self.cancelled: list[str] = []

    async def __call__(self, name: str) -> str:
        self.began.append(name)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            self.now -= 1
        self.ended.append(name)
        return name


class Refusals:
    """Records refusals."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def record_refusal(self, error: RetrievalError) -> None:
        self.codes.append(error.code)


async def never() -> None:
    await asyncio.Event().wait()


def until_set(leaves: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def gone() -> None:
        await leaves.wait()

    return gone


async def settle() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


def begin(turns: Admission, work: Work, name: str, **how: Any) -> asyncio.Task[str]:
    how = {"until": 1e12, "gone": never} | how
    return asyncio.ensure_future(turns.run(lambda: work(name), **how))


async def test_some_run_a_few_wait_and_the_rest_is_refused_at_once() -> None:
    seen, work = Refusals(), Work()
    turns = Admission(2, 3, seen)
    asked = [begin(turns, work, str(number)) for number in range(20)]
    await settle()
    assert (work.began, turns.running, turns.queued) == (["0", "1"], 2, 3)
    refused = [task for task in asked if task.done()]
    assert len(refused) == 15
    assert all(isinstance(task.exception(), Overloaded) for task in refused)
    assert seen.codes == ["overloaded"] * 15
    work.may_end.set()
    assert await asyncio.gather(*asked[:5]) == ["0", "1", "2", "3", "4"]
    assert work.ended == ["0", "1", "2", "3", "4"]
    await settle()
    assert (work.most, turns.running, turns.queued) == (2, 0, 0)


async def test_work_that_waits_at_its_deadline_never_begins() -> None:
    seen, work, clock = Refusals(), Work(), Clock()
    turns = Admission(1, 5, seen, clock)
    first = begin(turns, work, "first")
    late = begin(turns, work, "late", until=clock.now + 0.02)
    patient = begin(turns, work, "patient", until=clock.now + 60)
    with pytest.raises(DeadlineExceeded):
        await late
    await settle()
    assert (work.began, turns.queued, seen.codes) == (["first"], 1, ["deadline_exceeded"])
    clock.now += 100
    with pytest.raises(DeadlineExceeded):
        await begin(turns, work, "too late", until=clock.now)
    work.may_end.set()
    assert await asyncio.gather(first, patient) == ["first", "patient"]
    assert work.began == ["first", "patient"]


async def test_work_that_runs_at_its_deadline_is_cancelled_and_answered_at_once() -> None:
    work, clock = Work(), Clock()
    turns = Admission(1, 5, clock=clock)
    with pytest.raises(DeadlineExceeded):
        await begin(turns, work, "long", until=clock.now + 0.02)
    await settle()
    assert (work.cancelled, turns.running) == (["long"], 0)


async def test_the_work_can_read_its_deadline() -> None:
    async def left() -> float:
        return seconds_left()

    from time import monotonic

    assert 4 < await Admission(1, 1).run(left, until=monotonic() + 5, gone=never) <= 5
    assert seconds_left() > 1e9


@pytest.mark.parametrize("ahead", [0, 1])
async def test_work_is_cancelled_when_its_client_leaves(ahead: int) -> None:
    seen, work, leaves = Refusals(), Work(), asyncio.Event()
    turns = Admission(1, 5, seen)
    others = [begin(turns, work, f"other {number}") for number in range(ahead)]

    leaving = begin(turns, work, "leaving", gone=until_set(leaves))
    behind = begin(turns, work, "behind")
    await settle()
    leaves.set()
    with pytest.raises(ClientGone):
        await leaving
    work.may_end.set()
    assert await behind == "behind"
    assert await asyncio.gather(*others) == [f"other {number}" for number in range(ahead)]
    assert work.cancelled == ["leaving"][ahead:]
    assert seen.codes == []
    await settle()
    assert (turns.running, turns.queued) == (0, 0)


async def test_abandoned_work_keeps_its_turn_while_its_threads_run() -> None:
    turns, thread = Admission(1, 5), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await thread.wait()

    leaves = asyncio.Event()
    task = asyncio.ensure_future(turns.run(work, until=1e12, gone=until_set(leaves)))
    await settle()
    leaves.set()
    with pytest.raises(ClientGone):
        await task
    assert turns.running == 1
    finished = asyncio.ensure_future(turns.finish())
    await settle()
    assert not finished.done()
    thread.set()
    await finished
    await settle()
    assert turns.running == 0


async def test_a_bug_in_abandoned_work_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    turns = Admission(1, 1)

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ZeroDivisionError

    with pytest.raises(ClientGone):
        await turns.run(work, until=1e12, gone=lambda: asyncio.sleep(0))
    await turns.finish()
    await settle()
    assert "given up" in caplog.text


@given(
    at_once=st.integers(1, 4),
    waiting=st.integers(0, 4),
    steps=st.lists(st.tuples(st.sampled_from(["ask", "leave", "cancel", "end"]), st.integers(0, 9)), max_size=40),
)
def test_no_turn_is_lost_or_given_twice(at_once: int, waiting: int, steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        turns, running = Admission(at_once, waiting), 0
        asked: list[tuple[asyncio.Task[None], asyncio.Event, asyncio.Event]] = []

        async def work(ends: asyncio.Event) -> None:
            nonlocal running
            running += 1
            assert running <= at_once
            try:
                await ends.wait()
            finally:
                running -= 1

        for what, which in steps:
            if what == "ask":
                leaves, ends = asyncio.Event(), asyncio.Event()
                run = turns.run(partial(work, ends), until=1e12, gone=until_set(leaves))
                asked.append((asyncio.ensure_future(run), leaves, ends))
            elif asked:
                task, leaves, ends = asked[which % len(asked)]
                {"leave": leaves.set, "end": ends.set, "cancel": task.cancel}[what]()
            if which % 2:
                await settle()
            assert turns.queued <= waiting
        await settle()
        assert turns.running == running or turns.running == at_once
        for _, _, ends in asked:
            ends.set()
        results = await asyncio.gather(*(task for task, _, _ in asked), return_exceptions=True)
        await settle()
        assert (turns.running, turns.queued, running) == (0, 0, 0)
        assert all(
            isinstance(result, (type(None), Overloaded, ClientGone, asyncio.CancelledError)) for result in results
        )

    asyncio.run(play())
