"""`akin digest`: files of saved searches, new papers without repeats, and reports of hostile papers."""

from __future__ import annotations

import html.parser
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from markdown_it import MarkdownIt

from akin.cli import app, digest
from akin.digest.collect import Digest, Section, collect
from akin.digest.saved import read_saved
from akin.digest.write import FORMATS
from akin.errors import SavedSearchesUnusable, SearchFailed

SAVED = """
[[search]]
name = "Graphs"
query = "graph networks"
categories = ["cs.LG"]
k = 3

[[search]]
like = ["2401.1", "2401.2"]
from = 2026-03-01

[[search]]
query = "au:Verne"
from = "2020"
"""


def paper(number: int, **fields: Any) -> dict[str, Any]:
    known = {
        "id": f"2401.{number}", "title": f"Title {number}", "abstract": "Dust.", "authors": ["Ada Verne"],
        "author_count": 7, "date": "2026-03-02", "categories": ["cs.LG"], "duplicates": [], "withdrawn": False,
        "links": {"abs": f"https://arxiv.org/abs/2401.{number}"},
    }  # fmt: skip
    return known | fields


def answer(*papers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"results": list(papers), "degraded": None, "notes": []} | fields


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "saved.toml"
    path.write_text(SAVED)
    return path


class Service:
    """A service that records searches, and answers them with given answers in turn."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.bodies = list(answers), []

    def __call__(self, *arguments: Any) -> Any:
        self.bodies.append(arguments[-1])
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def test_searches_have_the_names_of_the_api_and_begin_at_the_later_day(saved: Path) -> None:
    service = Service(answer(paper(1)), answer(), answer())
    found = collect(read_saved(saved), "2026-02", "2026-03-04", service)
    assert service.bodies == [
        {"query": "graph networks", "categories": ["cs.LG"], "k": 3, "from": "2026-02"},
        {"like": ["2401.1", "2401.2"], "from": "2026-03-01", "k": 21},
        {"query": "au:Verne", "from": "2026-02", "k": 21},
    ]
    assert [section.name for section in found.sections] == ["Graphs", "2401.1, 2401.2", "au:Verne"]


def test_a_paper_is_reported_once_whatever_id_it_is_found_under(saved: Path) -> None:
    first = answer(paper(1), paper(2, duplicates=["2401.9"]), paper(3))
    second = answer(paper(9), paper(2), paper(4), paper(5, duplicates=["2401.1"]))
    found = collect(read_saved(saved), "2026", None, Service(first, second, answer(paper(4), paper(6))))
    assert [[each["id"][5:] for each in section.papers] for section in found.sections] == [
        ["1", "2", "3"],
        ["4"],
        ["6"],
    ]
    assert [section.repeated for section in found.sections] == [0, 3, 1]
    assert found.count == 5


def test_no_search_has_more_papers_than_it_asks_for(saved: Path) -> None:
    many = answer(*map(paper, range(100)))
    found = collect(read_saved(saved), "2026", None, Service(many, many, many))
    assert [len(section.papers) for section in found.sections] == [3, 20, 20]


def test_a_search_goes_on_behind_papers_that_were_reported_before(saved: Path) -> None:
    many = [paper(number) for number in range(250)]
    searches = [replace(one, body=one.body | {"k": 100}) for one in read_saved(saved)[:2]]
    service = Service(
        answer(*many[:100], next_cursor="a"), answer(*many[:100], next_cursor="b"), answer(*many[100:200])
    )
    found = collect(searches, "2026", None, service)
    assert [[each["id"] for each in section.papers] for section in found.sections] == [
        [each["id"] for each in many[:100]],
        [each["id"] for each in many[100:200]],
    ]
    assert found.sections[1].repeated == 100
    assert [body.get("cursor") for body in service.bodies] == [None, None, "b"]


def test_an_error_of_the_service_is_not_taken_for_a_corpus_without_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = httpx.Response(503, json={"error": {"message": "There are no papers to search yet."}})
    monkeypatch.setattr("akin.stack.local_http.get", lambda *arguments, **options: refused)
    with pytest.raises(SearchFailed, match="no papers to search yet"):
        digest._newest("http://akin")


def test_a_refused_search_is_named(saved: Path) -> None:
    service = Service(answer(), SearchFailed("There is no paper '2401.1' in this corpus."))
    with pytest.raises(SearchFailed, match=r"saved\.toml, search 2 \(2401\.1, 2401\.2\): There is no paper"):
        collect(read_saved(saved), "2026", None, service)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "has no search"),
        (b"search = 3", r"two brackets"),
        (b"[search]\nquery = 'x'", r"two brackets"),
        (b"[[searches]]\nquery = 'x'", r"did you mean \[\[search\]\]"),
        (b"query = 'x'", "there is 'query'"),
        (b"[[search]]\nquery = x", "is not TOML: .*line 2"),
        (b"[[search]]\nname = 3\nquery = 'x'", "search 1: name must be a text"),
        (b"[[search]]\nquery = 'x'\n[[search]]\nquery='y'\nk = 0", "search 2: k must be a number from 1 to 100"),
        (b"[[search]]\nquery = 'x'\nk = true", "k must be a number"),
        (b"[[search]]\nquery = 'x'\noffset = 3", "leave offset out"),
        (b"[[search]]\nquery = 'x'\nhalf_life = nan", "search 1: Out of range float"),
        (b"[[search]]\nquery = 'x'\nfrom = 07:32:00", "search 1: .*time"),
        (b"[[search]]\nquery = '\xff'", "is not UTF-8"),
        (b"a = " + b"[" * 50_000, "is not TOML"),
        (b"#" * 1_000_001, "is larger than 1,000,000 bytes: divide it"),
        (b"[[search]]\nquery = 'x'\n" * 501, "has 501 searches, and at most 500 may be in one file: divide it"),
        (None, "No such file"),
    ],
)
def test_a_broken_file_is_explained(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "saved.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SavedSearchesUnusable, match=rf"(?s)saved\.toml.*{told}"):
        read_saved(path)


def test_the_largest_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "saved.toml"
    path.write_bytes((b"[[search]]\nquery = 'x'\n" * 500).ljust(1_000_000, b"#"))
    assert len(read_saved(path)) == 500


def test_a_file_without_an_end_is_refused_without_being_read() -> None:
    with pytest.raises(SavedSearchesUnusable, match=r"/dev/zero is larger"):
        read_saved(Path("/dev/zero"))


HOSTILE = "a<script>x</script>&amp; *b* [c](d) `e` #f | \\g $h$ \x1b[31m\u202e\n# i ~~j~~ ![k](l)"


class Reader(html.parser.HTMLParser):
    """Collect the tags, links and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_digest() -> Digest:
    papers = (
        paper(1, title=HOSTILE, abstract=HOSTILE, authors=[HOSTILE], links={"abs": "https://h/a(b)<c> \"'>"}),
        paper(2, links={"doi": "javascript:alert(1)"}, title="", date=None, withdrawn=True),
    )
    return Digest("2026", "2026-03-04", (Section(HOSTILE, papers, 2, (HOSTILE,)), Section("none", (), 0, ())))


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_papers_are_text_in_every_format(form: str) -> None:
    written = FORMATS[form](hostile_digest(), True)
    assert "\x1b" not in written
    assert "\u202e" not in written
    assert "javascript" not in written
    if form == "text":
        assert "1. a<script>x</script>&amp; *b* [c](d)" in written
        assert "2. 2401.2 (withdrawn)" in written
        return
    page = written if form == "html" else MarkdownIt("commonmark").render(written)
    reader = Reader()
    reader.feed(page)
    assert set(reader.tags) <= set("html meta title style main h1 h2 section p em ol li strong a br".split())
    assert len(reader.links) == 1
    assert str(reader.links[0]).startswith("https://h/a")
    assert reader.text.count("<script>x</script>&amp; *b* [c](d) `e` #f") == 5  # heading, note, title, author, abstract
    for told in ("2 new papers since 2026", "2 more above, under another search", "nothing new", "and 6 more"):
        assert told in reader.text


@pytest.mark.parametrize("form", FORMATS)
def test_abstracts_are_printed_on_request(form: str) -> None:
    one = Digest("2026", None, (Section("s", (paper(1, abstract="The abstract"),), 0, ()),))
    assert "The abstract" in FORMATS[form](one, True)
    assert "The abstract" not in FORMATS[form](one, False)
    assert "1 new paper since 2026" in FORMATS[form](one, False)


def run(*arguments: str) -> None:
    typer.main.get_command(app).main(["digest", *arguments], standalone_mode=False)


def test_the_command_writes_the_whole_file_or_nothing(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(digest, "_newest", lambda url: "2026-03-04")
    target = saved.with_name("digest.md")
    target.write_text("before")
    service = Service(answer(paper(1), degraded="No encoder."), answer(), SearchFailed("away"))
    monkeypatch.setattr("akin.cli.search.request_search", service)
    with pytest.raises(SearchFailed):
        run(str(saved), "--since", "2026", "--format", "markdown", "--output", str(target))
    assert target.read_text() == "before"
    service.answers += [answer(paper(1), degraded="No encoder."), answer(), answer()]
    run(str(saved), "--since", "2026", "--format", "markdown", "--output", str(target))
    assert target.read_text().startswith("# 1 new paper since 2026\n")
    assert sorted(each.name for each in saved.parent.iterdir()) == ["digest.md", "saved.toml"]
    assert b"note: Graphs: No encoder." in capfdbinary.readouterr().err
    service.answers += [answer(paper(1)), answer(), answer()]
    with pytest.raises(SavedSearchesUnusable, match="cannot be written: Not a directory"):
        run(str(saved), "--since", "7d", "--output", str(saved / "x"))
    service.answers += [answer(paper(1)), answer(), answer()]
    run(str(saved), "--since", "2026-02-03", "--json")
    assert json.loads(capfdbinary.readouterr().out)["sections"][0]["papers"][0]["id"] == "2401.1"


@pytest.mark.parametrize("since", ["", "yesterday", "2026-13", "2026-02-30", "7", "d", "2026/01/02", "٢٠٢٦"])
def test_a_day_that_does_not_exist_is_refused(saved: Path, since: str) -> None:
    with pytest.raises(typer.BadParameter, match="no day, month or year that exists"):
        run(str(saved), "--since", since)
