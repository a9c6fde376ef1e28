"""Atom feeds: valid by the schema of RFC 4287 and for an independent parser, whatever the papers contain."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feedparser
import pytest
from lxml import etree

from akin.papers import Paper
from retrieval_service.atom import Feed
from retrieval_service.search.answer import SearchResult
from tests.people import people

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parents[2] / "data/atom.rng"))
ATOM = {"a": "http://www.w3.org/2005/Atom"}
HOSTILE = [
    "</title><script>alert(1)</script>", "]]>", "&amp; &lt; & < > \" '", "a\x00b\x0bc\x1bd\x7fe\x9ff", "\ud800\udfff",
    "\ufffe\uffff", "é\u202eabc\u2066", "$a < b$ \\& \\ce{H2O}", "a\r\nb\tc", "<![CDATA[x]]>", "<!--", "?>", "𝔘𝔫𝔦", "",
]  # fmt: skip


def result(**fields: Any) -> SearchResult:
    known = {"id": "2401.00001", "title": "On dust", "abstract": "Dust.", "authors": people("Ada Verne")}
    return SearchResult.of(Paper(**known | fields), score=0.5, sources={}, duplicates=())


def feed(**fields: Any) -> Feed:
    known = {
        "title": "Akin: dust", "address": "http://h/feed?q=dust&k=3", "same": "http://h/search?q=dust&k=3",
        "paper": "http://h/papers/", "changed": datetime(2026, 1, 2, 3, 4, 5, 678, UTC),
    }  # fmt: skip
    return Feed(**known | fields)


def parsed(written: bytes) -> Any:
    """Return the document of a feed that is valid by the schema and by the rules that it cannot express."""
    document = etree.fromstring(written)
    SCHEMA.assertValid(document)
    ids = document.xpath("a:entry/a:id/text()", namespaces=ATOM)
    assert len(ids) == len(set(ids))
    assert document.xpath("count(a:link[@rel='self']) = 1 and count(a:author) = 1", namespaces=ATOM)
    for entry in document.xpath("a:entry", namespaces=ATOM):
        assert entry.xpath("a:author/a:name/text()", namespaces=ATOM)
        assert len(entry.xpath("a:link[@rel='alternate']", namespaces=ATOM)) == 1
    return document


def test_a_reader_finds_what_a_paper_has() -> None:
    day = datetime(2024, 1, 2).date()
    written = feed().write([result(published=day, categories=("cs.LG", "x.Y"), authors=people("Ada Verne", "Bo Lind"))])
    parsed(written)
    read = feedparser.parse(written)
    assert not read.bozo
    assert (read.feed.title, read.feed.updated) == ("Akin: dust", "2026-01-02T03:04:05Z")
    (entry,) = read.entries
    assert (entry.title, entry.summary, entry.id) == ("On dust", "Dust.", "https://arxiv.org/abs/2401.00001")
    assert (entry.published, entry.link) == ("2024-01-02T00:00:00Z", "https://arxiv.org/abs/2401.00001")
    assert [each.name for each in entry.authors] == ["Ada Verne", "Bo Lind"]
    assert [(each.term, each.label) for each in entry.tags] == [("cs.LG", "Machine Learning"), ("x.Y", "x.Y")]
    assert "https://arxiv.org/pdf/2401.00001" in [each.href for each in entry.links]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_text_contains_the_feed_is_valid_and_shows_it_as_text(text: str) -> None:
    one = result(title=f"x{text}", abstract=text, authors=people(text, "Ada Verne"), comments=text, categories=(text,))
    other = result(id=f"y{text}", title=text, abstract="z")
    document = parsed(feed(title=text, address=f"http://h/feed?q={text}").write([one, other]))
    title = document.xpath("a:entry[1]/a:title", namespaces=ATOM)[0]
    assert len(title) == 0  # no element came out of it
    assert title.text.startswith("x")
    if text.isprintable() and not any(sign in text for sign in ("\\", "&", "--")):  # what stands for others in TeX
        assert title.text == f"x{text}".strip()
    assert not document.xpath("//*[local-name() = 'script']")


def test_the_newest_come_first_and_those_without_a_date_last() -> None:
    days = [datetime(2024, 1, 2).date(), None, datetime(2025, 1, 1).date(), datetime(2024, 1, 2).date()]
    papers = [result(id=f"2401.0000{number}", published=day) for number, day in enumerate(days, 1)]
    document = parsed(feed().write(papers))
    ids = document.xpath("a:entry/a:id/text()", namespaces=ATOM)
    assert [one[-1] for one in ids] == ["3", "1", "4", "2"]
    assert document.xpath("a:entry[4]/a:updated/text()", namespaces=ATOM) == ["2026-01-02T03:04:05Z"]
    assert not document.xpath("a:entry[4]/a:published", namespaces=ATOM)


def test_ids_do_not_depend_on_the_server() -> None:
    def ids(host: str) -> list[str]:
        written = feed(address=f"{host}/feed?q=dust", paper=f"{host}/papers/").write([
            result(id="W01-2", authors=()), result(id="W/2 ü", doi="10.1/x"), result(id="x", withdrawn=True),
        ])  # fmt: skip
        return [str(each) for each in parsed(written).xpath("//a:id/text()", namespaces=ATOM)]

    assert ids("http://one") == ids("https://two/akin")
    assert ids("http://one")[0] != str(parsed(feed(address="http://one/feed?q=gas").write([]))[0].text)
    assert ids("http://one")[2] == "https://doi.org/10.1/x"


def test_a_paper_without_authors_and_address_is_valid() -> None:
    document = parsed(feed().write([result(id="W 01/2", authors=(), title="", withdrawn=True)]))
    assert document.xpath("a:entry/a:title/text()", namespaces=ATOM) == ["W 01/2 (withdrawn)"]
    assert document.xpath("a:entry/a:link/@href", namespaces=ATOM) == ["http://h/papers/W%2001%2F2"]


def test_an_empty_feed_is_valid() -> None:
    assert not parsed(feed().write([])).xpath("a:entry", namespaces=ATOM)
