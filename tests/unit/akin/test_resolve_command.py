from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from akin.cli import app

FOUND = {"reference": "Kites", "paper": {"id": "2401.09032", "title": "Kites"}, "how": "title", "confidence": 0.95}


def test_references_are_sent_by_their_parts_and_told_by_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    def ask(url: str, path: str, body: Any) -> httpx.Response:
        sent.append((path, body))
        return httpx.Response(200, json={"references": [{**FOUND, "candidates": [], "problem": None}]})

    monkeypatch.setattr("akin.cli.search.ask", ask)
    file = tmp_path / "thesis.bib"
    file.write_bytes(
        "@misc{a, title={Kit\xe9s}, author={Lind, Ann}, year=2001}\n@misc{b, title={no end".encode("latin-1")
    )
    told = CliRunner().invoke(app, ["resolve", str(file)])
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert lines[0] == "line 1\t2401.09032\ttitle 0.95\tKites"
    assert lines[1].startswith("line 2\tnot read\tUnexpectedly reached end of file.")
    parts = {"title": "Kités", "authors": ["Lind"], "year": 2001, "key": "a"}
    assert sent == [("/references/resolve", {"references": [parts]})]
    assert [each["line"] for each in json.loads(CliRunner().invoke(app, ["resolve", str(file), "--json"]).stdout)] == [
        1,
        2,
    ]
