"""Options of `akin search` that page through results, print citations and open a browser."""

from __future__ import annotations

import io
import json
import sys
import webbrowser
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from akin.cli import app, search
from akin.errors import SearchFailed

FOUND = 25  # papers that the service has


def paper(number: int) -> dict[str, Any]:
    links = {"abs": f"https://arxiv.org/abs/{number}"} if number % 2 else {"doi": f"https://doi.org/{number}"}
    return {
        "id": str(number), "title": f"Title {number}", "authors": ["Ada Verne"], "date": "2024-01-02", "score": 0.5,
        "primary_subject": "Learning", "links": links if number != 3 else {}, "duplicates": [],
    }  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the searches that were sent to a service of 25 papers."""
    bodies: list[dict[str, Any]] = []

    def answer(settings: Any, body: dict[str, Any]) -> dict[str, Any]:
        bodies.append(dict(body))
        numbers = range(body["offset"] + 1, min(FOUND, body["offset"] + body["k"]) + 1)
        return {
            "results": list(map(paper, numbers)), "k": body["k"], "offset": body["offset"], "mode": "hybrid",
            "query": {"operators": []}, "searched": FOUND, "timings": {"total_ms": 1.0},
        }  # fmt: skip

    monkeypatch.setattr(search, "request_search", answer)
    return bodies


def run(*arguments: str) -> None:
    typer.main.get_command(app).main(["search", *arguments], standalone_mode=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_page_is_an_offset_and_the_next_one_is_named(asked: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run("dust", "--page", "2", "-k", "10")
    printed = capsys.readouterr()
    assert asked[0]["offset"] == 10
    assert " 11  Title 11" in printed.out
    assert "next page: --page 3" in printed.err
    run("dust", "--page", "3", "-k", "10")
    assert "next page" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--page", "2", "--offset", "5"], "--page or --offset"),
        (["--page", "102"], "end with page 101"),
        (["--json", "--ris"], "one of --json, --export, --bibtex and --ris"),
        (["--export", "csv", "--bibtex"], "one of"),
        (["--output", "x"], "the file of --export"),
        (["--export", "csv", "--most", "1001"], "less than or equal to 1000"),
    ],
)
def test_options_that_contradict_each_other_are_refused(asked: Any, arguments: list[str], told: str) -> None:
    with pytest.raises(typer.BadParameter, match=told):
        run("dust", *arguments)
    assert asked == []


@pytest.mark.parametrize(("typed", "pages"), [("\n\n\n", 3), ("\nq\n", 2), ("q\n", 1), ("", 1)])
def test_a_terminal_is_asked_for_more_until_the_end(
    asked: Any, monkeypatch: pytest.MonkeyPatch, typed: str, pages: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stdout", Terminal())
    run("dust", "--more")
    assert [body["offset"] for body in asked] == [0, 10, 20][:pages]


def test_nothing_else_is_asked_for_more(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("\n\n"))
    run("dust", "--more")  # the output is captured, and no terminal
    assert len(asked) == 1


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the exports that were asked for."""
    sent: list[Any] = []

    def answer(url: str, path: str, body: dict[str, Any]) -> httpx.Response:
        sent.append((path, body))
        if "query" in body and body["query"] == "nothing":
            return httpx.Response(200, headers={"akin-papers": "0"})
        if body["format"] == "word":
            return httpx.Response(400, json={"error": {"message": "format must be one of five."}})
        return httpx.Response(200, content="é\r\n".encode(), headers={"akin-papers": "1200"})

    monkeypatch.setattr("akin.cli.cite.ask", answer)
    return sent


@pytest.mark.parametrize(
    ("options", "k", "form"),
    [
        (["--bibtex", "-k", "3"], 3, "bibtex"),
        (["--ris"], 10, "ris"),
        (["--export", "csv"], 1000, "csv"),
        (["--export", "jsonl", "--most", "20", "-k", "5"], 20, "jsonl"),
    ],
)
def test_an_export_is_of_the_same_search(
    asked: Any, exported: Any, capfdbinary: pytest.CaptureFixture[bytes], options: list[str], k: int, form: str
) -> None:
    run("dust", "--offset", "20", "--category", "cs.LG", *options)
    [(path, body)] = exported
    assert path == "/export"
    assert {**body, "k": k, "format": form} == body
    assert (body["query"], body["offset"], body["categories"]) == ("dust", 20, ["cs.LG"])
    assert capfdbinary.readouterr().out == "é\r\n".encode()
    assert asked == []


def test_an_export_is_written_to_a_file(
    exported: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: Any
) -> None:
    file = tmp_path / "papers.csv"
    run("dust", "--export", "csv", "--output", str(file))
    assert file.read_bytes() == "é\r\n".encode()
    assert f"1,200 papers in {file}" in capsys.readouterr().err
    with pytest.raises(SearchFailed, match="five"):
        run("dust", "--export", "word", "--output", str(file))
    with pytest.raises(SearchFailed, match="cannot be written"):
        run("dust", "--export", "csv", "--output", str(file / "papers.csv"))
    assert file.read_bytes() == "é\r\n".encode()
    run("nothing", "--export", "ris")
    assert "no paper matches" in capsys.readouterr().err


def test_ids_are_exported_in_their_order(exported: Any, tmp_path: Path) -> None:
    command = typer.main.get_command(app)
    command.main(["cite", "b", "a", "--format", "csv", "-o", str(tmp_path / "x.csv")], standalone_mode=False)
    assert exported == [("/export", {"ids": ["b", "a"], "format": "csv"})]


@pytest.mark.parametrize("display", ["", ":0"])
def test_open_opens_the_numbered_result_or_prints_its_address(
    asked: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], display: str
) -> None:
    given: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: given.append(address) or True)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", display)
    run("dust", "--page", "2", "--open", "12")
    printed = capsys.readouterr()
    assert given == (["https://doi.org/12"] if display else [])
    assert printed.out.endswith("\nhttps://doi.org/12\n") != bool(display)
    run("dust", "--json", "--open", "1")
    assert json.loads(capsys.readouterr().out)["results"][0]["id"] == "1"


@pytest.mark.parametrize(("rank", "told"), [("11", "the numbers are from 1 to 10"), ("3", "has no address")])
def test_what_cannot_be_opened_is_said(asked: Any, rank: str, told: str) -> None:
    with pytest.raises(SearchFailed, match=told):
        run("dust", "--open", rank)
