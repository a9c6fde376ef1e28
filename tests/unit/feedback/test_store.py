"""Test that feedback is kept whole, bounded, and deleted when it must be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from akin.feedback.records import EncoderRecord, Mark, ShownSearch
from akin.feedback.store import FILE, FeedbackError, FeedbackFull, FeedbackStore

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def search(identity: str = "a", **more: Any) -> ShownSearch:
    values = {
        "id": identity,
        "time": "2026-06-01T12:00:00Z",
        "parameters": {"query": "graphs"},
        "words": "graphs",
        "mode": "hybrid",
        "shown": ["p1", "p2"],
        "encoder": EncoderRecord(1, "d1", "s1"),
    }
    return ShownSearch(**{**values, **more})


def mark(paper: str = "p1", rank: int = 1, **more: Any) -> Mark:
    return Mark(paper=paper, rank=rank, time="2026-06-01T12:00:01Z", **more)


class Clock:
    now = NOW


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> FeedbackStore:
    return FeedbackStore(tmp_path / "kept", days=30, most_bytes=1_000_000, now=lambda: clock.now)


def test_what_was_stored_is_read_again(store: FeedbackStore, tmp_path: Path) -> None:
    hostile = "=cmd|' /C calc'!A0 <script>\u202e\u0000\n" + "x" * 20_000
    shown = search(parameters={"query": hostile, "k": 2}, words=hostile, teams=["candidate", None])
    store.put(shown, mark("p2", 2, useful=False, comment='"; DROP TABLE mark; --'))
    store.put(shown, mark("p1", 1, useful=True))
    [found] = FeedbackStore(tmp_path / "kept", days=30, most_bytes=1_000_000, now=lambda: NOW).read()
    assert found.search == shown
    assert [(each.paper, each.useful) for each in found.marks] == [("p1", True), ("p2", False)]
    assert found.marks[1].comment == '"; DROP TABLE mark; --'
    assert (tmp_path / "kept").stat().st_mode & 0o077 == store.path.stat().st_mode & 0o077 == 0


def test_a_second_mark_replaces_the_first_and_opening_keeps_it(store: FeedbackStore) -> None:
    store.put(search(), mark(useful=True, comment="fine"))
    store.put(search(), mark(opened=True))
    [found] = store.read()
    assert (found.marks[0].useful, found.marks[0].opened, found.marks[0].comment) == (True, True, "fine")
    store.put(search(), mark(useful=False))
    [found] = store.read()
    assert (found.marks[0].useful, found.marks[0].opened, found.marks[0].comment) == (False, True, None)


def test_what_is_withdrawn_is_gone_from_the_file(store: FeedbackStore) -> None:
    shown = search(parameters={"query": "a secret wish"})
    store.put(shown, mark(useful=True))
    assert b"a secret wish" in store.path.read_bytes()
    assert store.withdraw("a", "p1")
    assert not store.withdraw("a", "p1")
    assert list(store.read()) == []
    left = [path for path in store.path.parent.iterdir() if b"a secret wish" in path.read_bytes()]
    assert left == []


def test_feedback_is_deleted_after_its_days(store: FeedbackStore, clock: Clock) -> None:
    store.put(search("old"), mark(useful=True))
    clock.now += timedelta(days=31)
    assert list(store.read()) == []  # not shown, even before it is deleted
    store.put(search("new", time="2026-07-02T12:00:00Z"), mark(useful=True))
    assert b'"old"' not in store.path.read_bytes()
    assert [each.search.id for each in store.read()] == ["new"]
    clock.now += timedelta(days=31)
    assert store.expire() == 1
    assert b'"new"' not in store.path.read_bytes()


def test_deleting_by_day_by_id_and_all(store: FeedbackStore) -> None:
    for day in (1, 2, 3):
        store.put(search(f"s{day}", time=f"2026-05-{day + 20}T08:00:00Z"), mark(useful=True))
    assert [each.search.id for each in store.read("2026-05-22")] == ["s2", "s3"]
    assert store.delete(before="2026-05-22") == 1
    assert store.delete(search="s3") == 1
    assert [each.search.id for each in store.read()] == ["s2"]
    assert store.delete() == 1
    assert store.summary().searches == 0


def test_a_full_store_refuses_in_words_and_keeps_what_it_has(tmp_path: Path) -> None:
    store = FeedbackStore(tmp_path, days=30, most_bytes=200_000, now=lambda: NOW)
    kept = 0

    def fill() -> None:
        nonlocal kept
        for number in range(1000):
            store.put(search(f"s{number}", words="w" * 20_000), mark(useful=True))
            kept += 1

    with pytest.raises(FeedbackFull, match="AKIN_FEEDBACK_MEGABYTES"):
        fill()
    assert 3 < kept < 10
    assert store.path.stat().st_size <= store.most_bytes
    assert store.summary().searches == store.summary().useful == kept
    assert store.delete(search="s0") == 1
    store.put(search("again"), mark(useful=True))


def test_a_folder_that_cannot_be_written_and_a_foreign_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FeedbackError, match="file"):
        FeedbackStore(tmp_path / "file" / "under", days=1, most_bytes=1_000_000).put(search(), mark(useful=True))
    (tmp_path / FILE).write_bytes(b"not a database at all, but long enough to look like one" * 100)
    for store in [FeedbackStore(tmp_path, days=1, most_bytes=1_000_000)]:
        with pytest.raises(FeedbackError, match="cannot be used"):
            list(store.read())
    (tmp_path / FILE).write_bytes(b"")
    assert list(FeedbackStore(tmp_path, days=1, most_bytes=1_000_000).read()) == []


WRITER = """
import sys
import time as clock
from pathlib import Path
from akin.feedback.records import EncoderRecord, Mark, ShownSearch
from akin.feedback.store import FeedbackStore
time = "2026-06-01T12:00:00Z"
store = FeedbackStore(Path(sys.argv[1]), days=36500, most_bytes=10_000_000)
for number in range(int(sys.argv[3])):
    search = ShownSearch(
        id=f"{sys.argv[2]}{number}", time=time, parameters={}, words="", mode="hybrid", shown=["p"],
        encoder=EncoderRecord(1, "d", "s"),
    )
    store.put(search, Mark(paper="p", rank=1, time=time, useful=True))
    print(number, flush=True)
    clock.sleep(0.02)
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(count)], stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        each.kill()
        each.wait()
        assert each.stdout is not None
        each.stdout.close()


def test_two_processes_write_and_a_killed_one_leaves_whole_records(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    processes += [writer(tmp_path, "a", 8), writer(tmp_path, "b", 100_000)]
    assert processes[0].communicate(timeout=60)[0].split()[-1] == "7"
    time.sleep(0.1)
    os.kill(processes[1].pid, signal.SIGKILL)
    told = processes[1].communicate()[0].split()
    store = FeedbackStore(tmp_path, days=36500, most_bytes=10_000_000)
    found = {each.search.id for each in store.read() if len(each.marks) == 1}
    assert {f"a{number}" for number in range(8)} <= found
    # Everything that was reported as stored is there.
    assert {f"b{number}" for number in told} <= found
    assert store.summary().useful == store.summary().searches == len(found)
    store.put(search("after"), mark(useful=True))


def test_records_of_a_later_release_are_read() -> None:
    record = msgspec.json.decode(msgspec.json.encode(search()))
    assert msgspec.convert({**record, "new": 1}, ShownSearch) == search()
