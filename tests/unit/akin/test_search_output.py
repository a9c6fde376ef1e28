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
