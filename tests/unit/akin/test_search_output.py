"""Output of `akin search`."""

from __future__ import annotations

import pytest

from akin.cli.search import show


def test_conditions_and_notes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        {
            "query": {"operators": ["au:a OR au:b", "-ti:c"]},
            "notes": ["jr:Nature was read as words: journal references are not searched."],
            "results": [],
            "offset": 0,
            "timings": {"total_ms": 1.0},
            "searched": 3,
            "mode": "lexical",
        }
    )
    printed = capsys.readouterr()
    assert "note: read as conditions: au:a OR au:b, -ti:c" in printed.err
    assert "note: jr:Nature was read as words" in printed.err
    assert "no paper matches" in printed.out


def test_the_order_the_counts_and_the_reasons_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    paper = {
        "title": "T",
        "id": "a",
        "date": "2021-01-01",
        "authors": ["Ada Verne"],
        "primary_subject": None,
        "links": {},
        "score": 0.5,
        "duplicates": [],
        "highlights": {"why": "near in meaning; title has 'graph'"},
    }
    answer = {
        "query": {"operators": []},
        "results": [paper],
        "offset": 0,
        "timings": {"total_ms": 1.0},
        "searched": 3,
        "mode": "hybrid",
        "sort": {"by": "recent", "papers": 163, "complete": False, "half_life": 2.5},
        "suggestions": [{"label": "newest first", "query": "dust", "parameters": {"sort": "newest"}}],
        "facets": {
            "years": [{"year": 2021, "papers": 1_000}],
            "categories": [{"code": "cs.LG", "name": "Machine Learning", "papers": 3}],
            "papers": 163,
            "complete": False,
        },
    }
    show(answer)
    printed = capsys.readouterr()
    assert "sorted: recent, of 163 best matches, a score halves every 2.5 years" in printed.err
    assert "perhaps newest first: dust --sort newest" in printed.err
    assert "counted among the best 163 matches" in printed.err
    assert "near in meaning; title has 'graph'" in printed.out
    assert "years: 2021 (1,000)" in printed.out
    assert "categories: cs.LG (3)" in printed.out
