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


def test_a_larger_corpus_is_drawn_from_all_papers_of_a_file(corpus: Path, tmp_path: Path) -> None:
    sets, wide = tmp_path / "sets", tmp_path / "wide/distractors.jsonl"
    make = ["relevance", "make", str(corpus), str(sets), *FIELDS, "--kinds", "title", "--queries", "10"]
    assert CliRunner().invoke(app, [*make, "--distractors", "0"]).exit_code == 0
    draw = ["relevance", "distractors", str(corpus), str(wide), *FIELDS, "--most", "5"]
    done = CliRunner().invoke(app, draw)
    assert (done.exit_code, done.output.strip()) == (0, f"{wide}: 5 papers")
    first = [json.loads(line)["_id"] for line in wide.read_text().splitlines()]
    assert len(set(first)) == 5
    assert first != ["0", "1", "2", "3", "4"], "a sample, and not the first lines"
    assert CliRunner().invoke(app, [*draw, "--seed", "2"]).exit_code == 0
    assert [json.loads(line)["_id"] for line in wide.read_text().splitlines()] != first
    large = sets / "title-wide"
    assert CliRunner().invoke(app, ["relevance", "inside", str(sets / "title"), str(wide), str(large)]).exit_code == 0
    own = {json.loads(line)["_id"] for line in (sets / "title/corpus.jsonl").read_text().splitlines()}
    drawn = {json.loads(line)["_id"] for line in wide.read_text().splitlines()}
    shown = CliRunner().invoke(app, ["relevance", "show", str(large), "--json"])
    assert json.loads(shown.output)[0]["passages"] == len(own | drawn)


def test_a_file_without_papers_gives_no_larger_corpus(tmp_path: Path) -> None:
    empty, path = tmp_path / "empty.jsonl", tmp_path / "distractors.jsonl"
    path.write_text("an earlier one")
    empty.write_text('{"_id": "1", "title": "", "text": ""}\n')
    done = CliRunner().invoke(app, ["relevance", "distractors", str(empty), str(path), *FIELDS])
    assert isinstance(done.exception, PapersUnusable)
    assert "has a title or an abstract and is not withdrawn. Give other papers." in str(done.exception)
    assert path.read_text() == "an earlier one"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--since", "2025"], "--since 2025: give a day as 2025-01-01"),
        (["--kinds", ","], "no kind of search called ''; choose from: question"),
        (["--kinds", "author"], "no kind of search called 'author'; choose from: question"),
    ],
)
def test_wrong_options_are_refused_with_what_is_right(
    corpus: Path, tmp_path: Path, options: list[str], reason: str
) -> None:
    done = CliRunner().invoke(app, ["relevance", "make", str(corpus), str(tmp_path / "sets"), *FIELDS, *options])
    assert isinstance(done.exception, PapersUnusable)
    assert reason in str(done.exception)
