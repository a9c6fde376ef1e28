"""Test `akin drift` and `akin collection` on a collection of this machine, without an encoder."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from akin.cli import app, drift
from akin.collection.store import CollectedSearch, CollectionStore
from akin.errors import CollectionUnusable

NOW = datetime.now(UTC).replace(second=0, microsecond=0)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    monkeypatch.delenv("AKIN_COLLECTION", raising=False)
    return tmp_path


def collect(data: Path, count: int, days_ago: int, towards: float = 0.0, query: str = "spin glass") -> None:
    dice = np.random.default_rng(days_ago)
    vectors = dice.standard_normal((count, 8)) + towards
    times = dict.fromkeys(("total_ms", "embed_ms", "vectors_ms", "lexical_ms"), 1.0)
    fixed: dict[str, Any] = {"mode": "hybrid", "tokens": 4, "unknown": 0.0, "category": "cs.LG", **times}
    fixed |= {"ids": ["p1"], "scores": [0.5], "snapshot": "s", "encoder": "e", "query": query}
    moment = NOW - timedelta(days=days_ago)
    store = CollectionStore(data / "collection", days=30, most_bytes=10**8)
    store.write([CollectedSearch(time=moment, embedding=each.astype(np.float16), **fixed) for each in vectors])


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def day(days_ago: int) -> str:
    return f"{NOW - timedelta(days=days_ago):%Y-%m-%d}"


def test_two_ranges_of_the_collection_are_compared(data: Path) -> None:
    collect(data, 120, 20)
    collect(data, 120, 2, towards=2.0)
    before = f"..{day(10)}"
    found = json.loads(run("drift", "report", "--reference", before, "--json"))  # the last 7 days, by default
    assert found["drift"] is True
    assert (found["reference"]["queries"], found["current"]["queries"]) == (120, 120)
    assert json.loads((data / "drift" / "report.json").read_bytes()) == found
    assert "<svg" in (data / "drift" / "report.html").read_text()
    said = run("drift", "report", "--reference", before, "--current", before, "--to", str(data / "other"))
    assert "No drift was found." in said
    assert (data / "other" / "report.json").exists()


def test_too_few_queries_are_refused_with_what_to_do(data: Path) -> None:
    collect(data, 49, 20)
    with pytest.raises(CollectionUnusable, match="has 49 queries, and a report needs 50"):
        run("drift", "report", "--reference", "collection")
    with pytest.raises(CollectionUnusable, match="is no file"):
        run("drift", "report", "--reference", "absent.txt")
    assert not (data / "drift").exists()


@pytest.mark.parametrize("again", ["0", "24"])
def test_an_impossible_window_is_refused_before_anything_is_searched(
    data: Path, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    (data / "queries.txt").write_text("spin glass\n" * 60)
    monkeypatch.setattr(drift, "_search", lambda *_: pytest.fail("a window was searched"))
    for wrong in ("yesterday", "2026-13-01.."):
        with pytest.raises(CollectionUnusable, match=f"^{wrong} .*days such as"):
            run("drift", "report", "--reference", str(data / "queries.txt"), "--current", wrong, "--every", again)


def test_what_would_make_a_report_useless_is_said_before_anything_is_searched(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "_search", lambda *_: pytest.fail("a window was searched"))
    many, few, binary = (data / name for name in ("many.txt", "few.txt", "binary.txt"))
    many.write_text("spin glass\n" * 60)
    few.write_text("spin glass\n" * 10)
    binary.write_bytes(b"\xff\xfe" * 60)
    for current, said in ((few, "few.txt has 10 queries"), (binary, "is not a text in UTF-8"), ("", "has 0 q")):
        with pytest.raises(CollectionUnusable, match=said):
            run("drift", "report", "--reference", str(many), "--current", str(current))
    with pytest.raises(CollectionUnusable, match=r"few\.txt cannot be written: File exists"):
        run("drift", "report", "--reference", str(many), "--current", str(many), "--to", str(few))
    with pytest.raises(CollectionUnusable, match="the window collection has no query"):
        run("drift", "robustness", "--queries", "collection")
    assert not (data / "drift").exists()


def test_a_repeated_report_goes_on_after_a_failure(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt
        collect(data, 60, 20)
        collect(data, 60, 1)

    monkeypatch.setattr(drift.time, "sleep", sleep)
    CliRunner().invoke(app, ["drift", "report", "--reference", f"..{day(10)}", "--every", "24"])
    assert waits == [24 * 3600] * 2
    assert (data / "drift" / "report.json").exists()


def test_rankings_of_changed_queries_are_compared(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collect(data, 5, 1, query="Alpha decay in nuclei")

    def search(settings: object, texts: list[str], k: int) -> list[CollectedSearch | None]:
        """Find the same for a text in any letters, nothing for one with TeX, and refuse one of two words."""
        store = CollectionStore(data / "collection", days=30, most_bytes=10**8)
        one = next(store.read())
        found: list[CollectedSearch | None] = []
        for text in texts:
            ids = [] if "$" in text else ["a", "b"] if text.lower() == "alpha decay in nuclei" else ["b", "c"]
            found.append(None if len(text.split()) == 2 else CollectedSearch(**{**vars(one), "ids": ids}))
        return found

    monkeypatch.setattr(drift, "_search", search)
    rows = {
        each["change"]: each for each in json.loads(run("drift", "robustness", "--queries", "collection", "--json"))
    }
    assert rows["small letters"]["overlap"] == rows["small letters"]["rbo"] == 1
    assert rows["TeX"]["without_results"] == rows["the first half"]["without_results"] == 1
    assert rows["a typo"]["overlap"] == 0.5
    assert rows["a typo"]["first"] == 0
    assert "overlap@10" in run("drift", "robustness", "--queries", "collection")


def test_the_collection_is_described_exported_and_deleted(data: Path) -> None:
    collect(data, 3, 20)
    collect(data, 2, 1, query="café 深度")
    about = json.loads(run("collection", "info", "--json"))
    assert (about["searches"], about["files"], about["collected"]) == (5, 2, "no: AKIN_COLLECTION is off")
    lines = run("collection", "export", "-", "--since", day(3)).splitlines()
    assert [json.loads(line)["query"] for line in lines] == ["café 深度"] * 2
    run("collection", "delete", "--query", "café 深度")
    assert json.loads(run("collection", "info", "--json"))["searches"] == 3
    run("collection", "delete", "--all")
    with pytest.raises(CollectionUnusable, match="no query to export"):
        run("collection", "export", "-")
