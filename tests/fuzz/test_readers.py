"""Any bytes are a file of papers or an error in words; what is read can be shown, written and read again."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from akin.papers import Paper, read_papers
from akin.papers.citation import CitationFormat, write_citations
from akin.papers.errors import PapersError
from akin.papers.export import ExportFormat, export_parts
from akin.papers.remote.oai import BadAnswer, Refusal, Unreadable, parse_page
from tests.fuzz.budget import examples

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PIECES = {
    "jsonl": ['{"id": "', '", "title": "', '", "abstract": "', '"}', "{", "}", "[", "null", "\\u0000",
              "\\ud800", ": ", ","],
    "csv": ["id,title,abstract\n", "1,T,A\n", '"', ",", ";", "\t", "\r\n", '"a ""b"""', "\n"],
    "xml": ['<collection id="2020.acl">', '<volume id="1">', '<paper id="1">', "<title>", "</title>", "<abstract>T",
            "</abstract>", "</paper>", "</volume></collection>", "&amp;", "&x;", "<!--", "]]>", "<![CDATA["],
    "bib": ["@article{a,", "@misc{", "title={", "author = {", "}", "},\n", '"', "#", "\\", "@string{",
            "year=2000", "{", "%"],
    "ris": ["TY  - JOUR\n", "TI  - A\n", "AU  - B, C\n", "ER  - \n", "ID  - ", "\n", "  - ", "DO  - 10.1/x\n"],
    "json": ['[{"type": "book", "title": "', '", "author": [{"family": "', '"}]', "}]", '"id": 1', ",", "[", "{"],
}  # fmt: skip
"""Parts of files of each format, which are put together in any order."""


def read(content: bytes, name: str) -> list[Paper]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            with read_papers(path, rejects=Path(folder) / "rejects") as reader:
                papers = list(reader)
                assert reader.report.kept == len(papers)
                return papers
        except PapersError:
            return []


def check(papers: list[Paper]) -> None:
    assert len({paper.id for paper in papers}) == len(papers)
    for paper in papers:
        texts = (paper.title, paper.comments or "", paper.journal_ref or "", paper.doi or "", *paper.categories)
        assert paper.id
        assert paper.title or paper.abstract
        for text in (*texts, paper.id, *(author.name for author in paper.authors)):
            assert not CONTROLS.search(text)
            assert "\n" not in text
        assert not CONTROLS.search(paper.abstract)
    for form in CitationFormat:
        write_citations(papers, form).encode("utf-8")
    written = "".join(export_parts(papers, ExportFormat.JSONL)).encode("utf-8")
    if papers:
        again = read(written, "again.jsonl")
        assert [(paper.title, paper.abstract, paper.authors) for paper in again] == [
            (paper.title, paper.abstract, paper.authors) for paper in papers
        ]


@pytest.mark.parametrize("form", PIECES)
@examples(15, 400)
@given(data=st.data(), packed=st.booleans())
def test_parts_of_a_format_in_any_order(form: str, data: st.DataObject, packed: bool) -> None:
    piece = st.sampled_from(PIECES[form]) | st.text(max_size=8) | st.binary(max_size=4)
    drawn = data.draw(st.lists(piece, min_size=1, max_size=25))
    content = b"".join(one if isinstance(one, bytes) else one.encode("utf-8", "replace") for one in drawn)
    check(read(gzip.compress(content) if packed else content, f"papers.{form}"))


@examples(15, 400)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": st.text(max_size=12) | st.integers() | st.floats(), "title": st.text(max_size=40) | st.none()},
            optional={
                "abstract": st.text(max_size=200),
                "authors": st.text(max_size=60) | st.lists(st.text(max_size=20), max_size=3) | st.integers(),
                "categories": st.text(max_size=20) | st.lists(st.text(max_size=9), max_size=3),
                "published": st.text(max_size=12) | st.integers(),
                "doi": st.text(max_size=20),
                "comments": st.text(max_size=30),
                "versions": st.integers() | st.text(max_size=4),
                "publication": st.dictionaries(st.sampled_from(["kind", "key", "url", "pages"]), st.text(max_size=9)),
            },
        ),
        max_size=5,
    )
)
@example([{"id": "a\x1b[2J", "title": "\u202e\x9b", "abstract": "Z" + "\u0489" * 99}])
def test_records_with_any_values(records: list[dict[str, object]]) -> None:
    content = "".join(json.dumps(record) + "\n" for record in records).encode("utf-8", "replace")
    check(read(content, "papers.jsonl"))


@examples(25, 800)
@given(st.lists(st.sampled_from(["<OAI-PMH>", "<ListRecords>", "<record>", "<header>", "<identifier>a</identifier>",
    "</header>", "<metadata>", "</metadata></record>", "<resumptionToken>", "</resumptionToken>", "</ListRecords>",
    "</OAI-PMH>", "&", "&lt;", "\x00", "\ufffe", "<error code='x'>", "</error>", "<!DOCTYPE", "<?xml"])
    | st.text(max_size=6), max_size=25))  # fmt: skip
def test_pages_of_repositories(pieces: list[str]) -> None:
    with contextlib.suppress(BadAnswer, Refusal, Unreadable):
        page = parse_page("".join(pieces).encode("utf-8", "replace"))
        assert len(page.records) <= pieces.count("<record>")
