"""Test reports of drift: what is said of equal and of different windows, and what is left out."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from akin.collection.store import CollectedSearch
from akin.drift.compare import Window, compare
from akin.drift.page import page, write_report
from akin.drift.results import DriftReport
from akin.drift.sources import Days, WindowError, parse_window, read_queries

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def searches(
    count: int, seed: int, *, towards: float = 0.0, category: str = "", words: int = 0, **more: Any
) -> list[CollectedSearch]:
    dice, numbers = random.Random(seed), np.random.default_rng(seed)
    vectors = numbers.standard_normal((count, 16))
    vectors[:, 0] += towards
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = []
    for vector in vectors:
        values: dict[str, Any] = {
            "query": " ".join(["word"] * (words or dice.randint(2, 9))),
            "category": category or dice.choice(["cs.LG", "cs.CL", "hep-th"]),
            "scores": [dice.gauss(0.6, 0.1)],
            "ids": ["p1"],
            "unknown": dice.choice([0.0, 0.25]),
            "embedding": vector.astype(np.float16),
            "encoder": "e1",
        }
        times = dict.fromkeys(("total_ms", "embed_ms", "vectors_ms", "lexical_ms"), 1.0)
        fixed: dict[str, Any] = {"time": NOW, "mode": "hybrid", "tokens": 5, "snapshot": "s", **times}
        found.append(CollectedSearch(**{**fixed, **values, **more}))
    return found


def report(current: list[CollectedSearch], reference: list[CollectedSearch] | None = None) -> DriftReport:
    before = Window("May", searches(200, 1) if reference is None else reference)
    return compare(before, Window("June", current), permutations=199)


def test_windows_of_the_same_queries_do_not_differ() -> None:
    found = report(searches(200, 2))
    assert not found.drift
    assert found.reasons == found.notes == []
    assert found.mmd is not None
    assert found.mmd.p > 0.05
    assert [each.shifted for each in found.features] == [False] * 6
    assert (found.reference.queries, found.current.compared) == (200, 200)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"towards": 2.0}, "the vectors differ by MMD"),
        ({"towards": 2.0}, "a classifier tells the vectors apart"),
        ({"category": "astro-ph"}, "category shifted"),
        ({"words": 30}, "words shifted"),
        ({"scores": [0.1]}, "top score shifted"),
        ({"unknown": 1.0}, "unknown terms shifted"),
        ({"query": "что это такое"}, "language shifted"),
        ({"ids": [], "scores": []}, "results shifted"),
    ],
)
def test_each_shift_is_named(changed: dict[str, Any], reason: str) -> None:
    found = report(searches(200, 2, **changed))
    assert found.drift
    assert any(each.startswith(reason) for each in found.reasons), found.reasons


def test_vectors_of_another_encoder_are_left_out_and_said() -> None:
    current = [*searches(100, 2), *searches(70, 3, encoder="e0", time=NOW.replace(day=1, month=4))]
    found = report(current, searches(100, 4))
    assert found.current.compared == 100
    assert found.notes == ["70 vectors of June are of another encoder and were left out."]


def test_too_few_vectors_are_not_compared() -> None:
    found = report(searches(200, 2, embedding=None))
    assert found.mmd is None
    assert found.classifier is None
    assert found.notes == ["vectors were not compared: a window has fewer than 50."]


def test_the_same_windows_give_the_same_report() -> None:
    first, second = (msgspec.structs.replace(report(searches(100, 2)), created="") for _ in range(2))
    assert first == second


def test_the_page_is_whole_and_escapes_names(tmp_path: Path) -> None:
    found = compare(
        Window("<script>alert(1)</script>", searches(60, 1)), Window("b & c", searches(60, 2, towards=3.0)),
        permutations=50,
    )  # fmt: skip
    text = page(found)
    assert "The queries have drifted" in text
    assert "<script" not in text
    assert "b &amp; c" in text
    figures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(figures) == 7  # the vectors, and six features
    for figure in figures:
        ElementTree.fromstring(figure)
    write_report(found, tmp_path / "new")
    assert msgspec.json.decode((tmp_path / "new" / "report.json").read_bytes(), type=DriftReport) == found
    assert (tmp_path / "new" / "report.html").read_text() == text


def test_windows_are_named_in_four_ways(tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("a\n")
    assert parse_window("titles") is None
    assert parse_window("collection") == Days()
    assert parse_window("2026-05-01..2026-06-01") == Days("2026-05-01", "2026-06-01")
    assert parse_window("2026-05-01..") == Days("2026-05-01")
    assert parse_window(str(file)) == file
    for wrong in ("2026-13-01..", "..2026-02-30"):
        with pytest.raises(WindowError, match=r"has a day that is none .*give days such as"):
            parse_window(wrong)
    with pytest.raises(WindowError, match="must be later than the first"):
        parse_window("2026-05-01..2026-05-01")
    with pytest.raises(WindowError, match="absent is no file"):
        parse_window(str(tmp_path / "absent"))


def test_queries_are_read_from_lines_and_from_json(tmp_path: Path) -> None:
    plain, lines = tmp_path / "a.txt", tmp_path / "b.jsonl"
    plain.write_bytes("\ufeffgraph networks\r\n\r\n  spin glass \n".encode())
    assert read_queries(plain) == ["graph networks", "spin glass"]
    lines.write_text('{"_id": "1", "text": "flow"}\n\n{"query": "wing"}\n')
    assert read_queries(lines) == ["flow", "wing"]
    lines.write_text('{"text": "flow"}\n[1]\n')
    with pytest.raises(WindowError, match="line 2 has no text"):
        read_queries(lines)
    plain.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WindowError, match="not a text in UTF-8"):
        read_queries(plain)
