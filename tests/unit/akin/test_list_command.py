"""Test the commands of `akin list`: what they send, and what they print."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from akin.cli import app, search
from akin.errors import PapersUnusable, SearchFailed


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
        if path == "/references/resolve":
            return resolve(body)
        requests.append((path, body))
        if path == "/papers":
            return {"papers": [paper(name) for name in body["ids"]], "unknown": []}
        if path == "/lists/missing":
            near = [{"id": "1", "title": "Title 1", "similarity": 0.9}, {"id": "2", "title": "Title 2"}]
            topics = [{"papers": 2, "near": near}]
            return {"results": [paper("8", near=near)], "topics": topics, "notes": [], "unknown": []}
        return {
            "results": [paper("9")], "k": 1, "offset": 0, "mode": "hybrid", "searched": 2,
            "query": {"operators": []}, "timings": {"total_ms": 1.0},
        }  # fmt: skip

    def resolve(body: dict[str, Any]) -> dict[str, Any]:
        named = [each.get("id") or each.get("title", "") for each in body["references"]]
        found = [{"paper": {"id": name, "title": ""} if len(name) == 1 else None, "reference": name} for name in named]
        return {"references": found}

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
    assert sent == [("/papers", {"ids": ["1", "3"]})]
    assert "2  Title 3  withdrawn" in printed.out
    assert "not in this corpus: unknown" in printed.err


def test_references_without_a_text_are_named_by_their_line(
    sent: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.json"
    path.write_text(
        f'[{{"type": "book", "title": "1"}},\n{{"type": "book", "title": null}},\n'
        f'{{"type": "book", "title": "{"a" * 200}"}}]'
    )
    run("show", str(path))
    printed = capsys.readouterr().err.splitlines()
    assert printed == ["not in this corpus: line 2", f"not in this corpus: {'a' * 119}…"]


@pytest.mark.parametrize(
    "packed", [gzip.compress, lambda data: gzip.compress(data[:2]) + gzip.compress(data[2:]),
               lambda data: data.decode().encode("utf-16")]
)  # fmt: skip
def test_a_list_may_be_gzip_or_utf_16(sent: Any, tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "list.txt.gz"
    path.write_bytes(packed(b"1\n3\n"))
    run("show", str(path))
    assert sent == [("/papers", {"ids": ["1", "3"]})]


def test_gzip_that_breaks_off_is_refused(sent: Any, tmp_path: Path) -> None:
    path = tmp_path / "list.txt.gz"
    path.write_bytes(gzip.compress(b"1\n3\n")[:-4])
    with pytest.raises(PapersUnusable, match="cannot be unpacked"):
        run("show", str(path))
    path.write_bytes(gzip.compress(b" " * (65 << 20)))
    with pytest.raises(PapersUnusable, match="larger than 64 MB"):
        run("show", str(path))


def test_papers_like_the_known_ones_are_found(sent: Any, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("like", file, "--unlike", "5", "-k", "3", "--from", "2020")
    assert sent[0] == ("/search", {"like": ["1", "3"], "unlike": ["5"], "k": 3, "from": "2020"})
    assert "Title 9" in capsys.readouterr().out


def test_a_list_is_searched_within(sent: Any, file: str) -> None:
    run("within", file, "dust grains")
    assert sent == [("/search", {"query": "dust grains", "ids": ["1", "3"], "k": 10})]


def test_what_is_missing_says_what_it_is_near_to(sent: Any, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("missing", file, "--category", "cs")
    printed = capsys.readouterr()
    assert sent == [("/lists/missing", {"ids": ["1", "3"], "k": 20, "categories": ["cs"]})]
    assert 'near "Title 1" and "Title 2"' in printed.out
    assert 'topic 1, 2 papers: "Title 1" and "Title 2"' in printed.err


def test_a_file_without_references_is_refused(sent: Any, tmp_path: Path) -> None:
    path = tmp_path / "list"
    for content in (b"", b"  \n\n * \n"):
        path.write_bytes(content)
        with pytest.raises(PapersUnusable, match="no references"):
            run("missing", str(path))
    with pytest.raises(typer.BadParameter, match="cannot be read"):
        run("show", str(tmp_path / "none"))
    assert sent == []


def test_a_library_is_a_list(sent: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "thesis.bib"
    path.write_text("@misc{a, title={Q}}\n@misc{b, title={Something else}}\n@misc{c, title=")
    run("missing", str(path))
    assert sent[0][1]["ids"] == ["Q"]
    printed = capsys.readouterr().err
    assert "not in this corpus: Something else" in printed
    assert printed.count("not in this corpus") == 2


def test_too_long_and_unknown_lists_are_refused(sent: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "list"
    path.write_text("\n".join(chr(0x4E00 + number) for number in range(2500)))
    for command in (["missing"], ["like"]):
        with pytest.raises(typer.BadParameter, match="2,500 papers; at most 1,000"):
            run(*command, str(path))
    run("show", str(path))
    assert [len(body["ids"]) for _, body in sent] == [1000, 1000, 500]
    path.write_text("\n".join(f"unknown {number}" for number in range(30)))
    with pytest.raises(SearchFailed, match="no paper of this list"):
        run("like", str(path))
    assert "and 10 more: akin resolve FILE names them all" in capsys.readouterr().err
