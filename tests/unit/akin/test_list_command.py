"""Test the commands of `akin list`: what they send, and what they print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from akin.cli import app, search
from akin.errors import SearchFailed


def paper(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "title": f"Title {name}", "authors": ["Ada Verne"], "date": "2024-01-02", "withdrawn": name == "3",
        "score": 0.5, "primary_subject": "Learning", "links": {}, "duplicates": [], **more,
    }  # fmt: skip


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Return the requests to a service whose corpus has the papers of one digit."""
    requests: list[tuple[str, dict[str, Any]]] = []

    def answer(settings: Any, path: str, body: dict[str, Any]) -> dict[str, Any]:
        requests.append((path, body))
        known = [name for name in body.get("ids", ()) if len(name) == 1]
        unknown = [name for name in body.get("ids", ()) if len(name) > 1]
        if path == "/papers":
            return {"papers": [paper(name) for name in known], "unknown": unknown}
        if path == "/lists/missing":
            near = [{"id": "1", "title": "Title 1", "similarity": 0.9}, {"id": "2", "title": "Title 2"}]
            topics = [{"papers": 2, "near": near}]
            return {"results": [paper("8", near=near)], "topics": topics, "notes": [], "unknown": unknown}
        return {
            "results": [paper("9")], "k": 1, "offset": 0, "mode": "hybrid", "searched": 2,
            "query": {"operators": []}, "timings": {"total_ms": 1.0},
        }  # fmt: skip

    monkeypatch.setattr(search, "request_answer", answer)
    return requests


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "list.txt"
    path.write_text("1\n3\n1\nunknown\n")
    return str(path)


def run(*arguments: str) -> None:
    typer.main.get_command(app).main(["list", *arguments], standalone_mode=False)


def test_a_list_is_shown_with_what_is_unknown(sent: Any, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("show", file)
    printed = capsys.readouterr()
    assert sent == [("/papers", {"ids": ["1", "3", "unknown"]})]
    assert "2  Title 3  withdrawn" in printed.out
    assert "not in this corpus: unknown" in printed.err


def test_papers_like_the_known_ones_are_found(sent: Any, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("like", file, "--unlike", "5", "-k", "3", "--from", "2020")
    assert sent[1] == ("/search", {"like": ["1", "3"], "unlike": ["5"], "k": 3, "from": "2020"})
    assert "Title 9" in capsys.readouterr().out


def test_a_list_is_searched_within(sent: Any, file: str) -> None:
    run("within", file, "dust grains")
    assert sent == [("/search", {"query": "dust grains", "ids": ["1", "3", "unknown"], "k": 10})]


def test_what_is_missing_says_what_it_is_near_to(sent: Any, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("missing", file, "--category", "cs")
    printed = capsys.readouterr()
    assert sent == [("/lists/missing", {"ids": ["1", "3", "unknown"], "k": 20, "categories": ["cs"]})]
    assert 'near "Title 1" and "Title 2"' in printed.out
    assert 'topic 1, 2 papers: "Title 1" and "Title 2"' in printed.err


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "has no ids"), (b"\xff\xfe\x00", "not UTF-8"), (b"1 " * 3 + b"x", "")]
)
def test_files_that_are_no_list_are_refused(sent: Any, tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    if not told:
        run("missing", str(path))
        assert sent[0][1]["ids"] == ["1", "x"]
        return
    with pytest.raises(typer.BadParameter, match=told):
        run("missing", str(path))
    assert sent == []


def test_too_long_and_unknown_lists_are_refused(sent: Any, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("\n".join(map(str, range(5000))))
    for command in (["missing"], ["like"]):
        with pytest.raises(typer.BadParameter, match="5,000 papers; at most 1,000"):
            run(*command, str(path))
    run("show", str(path))
    assert [len(body["ids"]) for _, body in sent] == [1000] * 5
    path.write_text("unknown")
    with pytest.raises(SearchFailed, match="no paper of this list"):
        run("like", str(path))
    with pytest.raises(typer.BadParameter, match="cannot be read"):
        run("show", str(tmp_path / "none"))
