"""`akin relevance` makes sets, puts one inside a larger corpus and shows them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from akin.cli import app
from akin.errors import PapersUnusable


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    words = [f"{first}{second}" for first in "ab cd ef gh".split() for second in "rk st mn op".split()]
    lines = [
        {
            "_id": f"{number}",
            "title": f"{word}ation of {word}ment in oil",
            "text": f"{' '.join(f'{word}{letter}' for letter in 'abcdefghijklmnopqrstuvwxyz')}. At last.",
        }
        for number, word in enumerate(words)
    ]
    path = tmp_path / "papers.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


FIELDS = ("--map", "id=_id,title=title,abstract=text")


def test_sets_are_made_put_inside_a_larger_corpus_and_shown(corpus: Path, tmp_path: Path) -> None:
    sets = tmp_path / "sets"
    done = CliRunner().invoke(app, ["relevance", "make", str(corpus), str(sets), *FIELDS, "--kinds", "title, draft"])
    assert done.exit_code == 0, done.output
    assert "title: 16 queries out of 16" in done.output
    assert "too few searches for a set: draft." in done.output
    source = json.loads((sets / "title/set.json").read_text())["source"]
    assert (source["file"], source["papers"], len(source["sha256"])) == ("papers.jsonl", 16, 64)
    again = tmp_path / "again"
    inside = ["relevance", "inside", str(sets / "title"), str(sets / "distractors.jsonl"), str(again)]
    assert CliRunner().invoke(app, inside).exit_code == 0
    shown = CliRunner().invoke(app, ["relevance", "show", str(sets), str(again), "--json"])
    assert [(row["set"], row["kind"], row["queries"], row["passages"]) for row in json.loads(shown.output)] == [
        (name, "title", 16, 16) for name in ("title", "title-large", "again")
    ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--since", "2025"], "--since 2025: give a day as 2025-01-01"),
        (["--kinds", "author"], "no kind of search called 'author'; choose from: question"),
    ],
)
def test_wrong_options_are_refused_with_what_is_right(
    corpus: Path, tmp_path: Path, options: list[str], reason: str
) -> None:
    done = CliRunner().invoke(app, ["relevance", "make", str(corpus), str(tmp_path / "sets"), *FIELDS, *options])
    assert isinstance(done.exception, PapersUnusable)
    assert reason in str(done.exception)
