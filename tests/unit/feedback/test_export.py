"""Test exports of feedback, and the commands around it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from akin.cli import app
from akin.errors import AkinError, FeedbackUnusable
from akin.feedback.export import pairs, record_lines, write_set
from akin.feedback.records import EncoderRecord, Mark, MarkedSearch
from akin.feedback.store import FeedbackStore
from akin.papers import Paper
from akin.relevance import read_collection
from tests.unit.feedback.test_store import search


class ListOfPapers:
    def __init__(self, count: int = 30) -> None:
        self.all = [Paper(f"p{n}", f"Title {n}", f"Abstract {n}.") for n in range(count)]

    def __len__(self) -> int:
        return len(self.all)

    def rows(self, ids: Any) -> dict[str, int]:
        return {paper.id: row for row, paper in enumerate(self.all) if paper.id in ids}

    def papers(self, rows: Any) -> list[Paper]:
        return [self.all[row] for row in rows]

    def close(self) -> None:
        pass


def marked(words: str | None, shown: str, *, identity: str = "", **more: Any) -> MarkedSearch:
    """Return a search whose results are marked + or - or not at all: `p1+ p2- p3`."""
    found = [each.rstrip("+-") for each in shown.split()]
    marks = [
        Mark(paper=each[:-1], rank=rank, time="2026-06-01T12:00:01Z", useful=each[-1] == "+")
        for rank, each in enumerate(shown.split(), 1)
        if each[-1] in "+-"
    ]
    return MarkedSearch(search(identity or f"{words} {shown}", words=words, shown=found, **more), marks)


def test_pairs_have_a_negative_of_the_same_search_where_there_is_one() -> None:
    searches = [
        marked("graphs", "p1+ p2- p3- p4"),
        marked("=1+1", "p5+"),
        marked("only negatives", "p6-"),
        marked("  ", "p7+"),
        marked("gone", "unknown+ p8-"),
        marked(None, "p9+", like=["p0"]),
        marked(None, "p9+", like=["p0", "p1"]),
    ]
    found, done = pairs(searches, ListOfPapers())
    assert found == [
        {
            "kind": "feedback_negatives", "anchor": "graphs", "positive": "Title 1. Abstract 1.",
            "negative_1": "Title 2. Abstract 2.", "papers": ["p1", "p2"],
        },
        {
            "kind": "feedback_negatives", "anchor": "graphs", "positive": "Title 1. Abstract 1.",
            "negative_1": "Title 3. Abstract 3.", "papers": ["p1", "p3"],
        },
        {"kind": "feedback", "anchor": "=1+1", "positive": "Title 5. Abstract 5.", "papers": ["p5"]},
        {
            "kind": "feedback", "anchor": "Title 0. Abstract 0.", "positive": "Title 9. Abstract 9.", "papers": ["p9"],
        },
    ]  # fmt: skip
    assert (done.records, done.searches, done.lacking) == (4, 3, 1)


def test_a_set_is_a_collection_that_can_be_evaluated(tmp_path: Path) -> None:
    searches = [
        marked("graphs", "p1+ p2- p3", identity="1"),
        marked("graphs", "p1- p2+ p3", identity="2"),
        marked("graphs", "p1+ p2+ p3", identity="3"),
        marked("contested", "p4+", identity="4"),
        marked("contested", "p4-", identity="5"),
    ]
    done = write_set(searches, ListOfPapers(), tmp_path / "set", others=7)
    collection = read_collection(tmp_path / "set")
    assert list(collection.queries.values()) == ["graphs"]
    [gains] = collection.qrels.values()
    # Two of three readers called p1 and p2 useful; p4 has as many for as against.
    assert gains == {"p1": 1, "p2": 1}
    assert {"p1", "p2", "p3", "p4"} <= set(collection.passages)
    assert len(collection.passages) == 4 + 7
    assert collection.passages["p3"] == "Title 3. Abstract 3."
    assert (done.records, done.searches) == (2, 1)
    assert write_set(searches, ListOfPapers(5), tmp_path / "set", others=100).records == 2
    assert len(read_collection(tmp_path / "set").passages) == 5


def test_records_are_one_line_each_whatever_the_query() -> None:
    [line] = record_lines([marked("a\nb\u2028\u202e\r", "p1+", parameters={"query": "=cmd|' /C calc'!A0"})])
    assert line.count(b"\n") == 1
    assert json.loads(line)["search"]["parameters"] == {"query": "=cmd|' /C calc'!A0"}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeedbackStore:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    monkeypatch.setenv("AKIN_FEEDBACK", "off")  # what was stored before can still be exported
    monkeypatch.setattr("akin.cli.feedback._catalogue", lambda settings: ListOfPapers())
    store = FeedbackStore(tmp_path / "feedback", days=180, most_bytes=1_000_000)
    time = store.time()
    for number, text in enumerate(["p1+ p2-", "p3-"]):
        each = marked(
            f"query {number}", text, identity=str(number), time=time, teams=["candidate", None],
            candidate=EncoderRecord(2, "d2", "s2"),
        )  # fmt: skip
        for mark in each.marks:
            store.put(each.search, mark)
    return store


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments, catch_exceptions=True)


def test_the_commands_show_export_report_and_delete(kept: FeedbackStore, tmp_path: Path) -> None:
    shown = json.loads(run("feedback", "info", "--json").stdout)
    assert (shown["searches"], shown["useful"], shown["not_useful"], shown["interleaved"]) == (2, 1, 2, 2)
    assert "AKIN_FEEDBACK is off" in shown["stored"]
    assert "not useful" in run("feedback", "info").stdout
    assert len(run("feedback", "export", "-").stdout.splitlines()) == 2
    assert run("feedback", "export", str(tmp_path / "out" / "pairs.jsonl"), "--as", "pairs").exit_code == 0
    [pair] = (tmp_path / "out" / "pairs.jsonl").read_text().splitlines()
    assert json.loads(pair)["papers"] == ["p1", "p2"]
    assert run("feedback", "export", str(tmp_path / "set"), "--as", "set", "--others", "3").exit_code == 0
    assert len(read_collection(tmp_path / "set").passages) == 6
    [found] = json.loads(run("interleave", "report", "--json").stdout)
    assert (found["outcomes"][0]["wins"], found["outcomes"][0]["ties"]) == (1, 1)
    assert "100.0%" in run("interleave", "report").stdout
    assert json.loads(run("interleave", "report", "--json", "--credit", "opened").stdout)[0]["outcomes"][0]["wins"] == 0
    assert run("feedback", "delete").exit_code == 2
    assert run("feedback", "delete", "--all", "--search", "0").exit_code == 2
    assert run("feedback", "delete", "--before", "yesterday").exit_code == 2
    assert run("feedback", "delete", "--search", "0").exit_code == 0
    assert [each.search.id for each in kept.read()] == ["1"]
    refused = run("feedback", "export", str(tmp_path / "none.jsonl"), "--as", "pairs").exception
    assert isinstance(refused, FeedbackUnusable)
    assert not (tmp_path / "none.jsonl").exists()
    assert run("feedback", "delete", "--all").exit_code == 0
    assert "no feedback to export" in str(run("feedback", "export", "-").exception)
    assert json.loads(run("interleave", "report", "--json").stdout) == []


def test_a_folder_that_holds_something_else_is_not_replaced(kept: FeedbackStore, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    done = run("feedback", "export", str(tmp_path / "mine"), "--as", "set")
    assert isinstance(done.exception, AkinError)
    assert "not a test collection" in str(done.exception)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"
    assert isinstance(run("feedback", "export", str(tmp_path / "mine"), "--as", "records").exception, FeedbackUnusable)
    assert run("feedback", "export", "-", "--as", "csv").exit_code == 2
