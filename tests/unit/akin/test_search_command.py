"""Options of `akin search` that page through results, print citations and open a browser."""

from __future__ import annotations

import io
import json
import sys
import webbrowser
from typing import Any

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
        (["--json", "--ris"], "one of --json, --bibtex and --ris"),
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


@pytest.mark.parametrize("form", ["bibtex", "ris"])
def test_citations_are_of_the_papers_found(asked: Any, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    cited: list[Any] = []
    monkeypatch.setattr("akin.cli.cite.print_citations", lambda settings, *rest: cited.append(rest))
    run("dust", f"--{form}", "-k", "3")
    assert cited == [(["1", "2", "3"], form)]
    run("dust", f"--{form}", "-k", "3", "--offset", "50")
    assert len(cited) == 1  # nothing was found


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
