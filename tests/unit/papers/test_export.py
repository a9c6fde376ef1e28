"""Test files of papers without a service: cells, lines, and what is taken when."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import date

import pytest

from akin.papers import Author, Paper
from akin.papers.citation import CitationFormat, write_citations
from akin.papers.export import ExportFormat, export_parts

PAPER = Paper(
    "2401.00001",
    "Quiet\tbells",
    "One.\n\nTwo.",
    (Author("van der Berg", "Ida"), Author("The LANTERN Collaboration", collaboration=True)),
    ("cs.CL", "cs.LG"),
    date(2024, 1, 2),
    doi="10.5555/x_y",
)


def cells(paper: Paper) -> dict[str, str]:
    text = "".join(export_parts([paper], ExportFormat.CSV))
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    return row


def test_a_row_has_all_fields_on_one_line() -> None:
    assert cells(PAPER) == {
        "id": "2401.00001",
        "title": "Quiet bells",
        "authors": "Ida van der Berg; The LANTERN Collaboration",
        "published": "2024-01-02",
        "updated": "",
        "versions": "",
        "categories": "cs.CL; cs.LG",
        "doi": "10.5555/x_y",
        "journal_ref": "",
        "comments": "",
        "withdrawn": "",
        "url": "https://arxiv.org/abs/2401.00001",
        "abstract": "One. Two.",
    }


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t=", "\r=", "\n@", " \x00=", "＝", "＋", "－", "＠", "\u200b="])
def test_a_formula_becomes_text(sign: str) -> None:
    title = cells(Paper("1", f"{sign}cmd|' /C calc'!A0", "x"))["title"]
    # The letter before the sign, or the apostrophe that is put before it.
    assert title[0] == ("\u200b" if sign[0] == "\u200b" else "'")
    assert title.endswith("cmd|' /C calc'!A0")


def test_every_cell_is_in_quotation_marks() -> None:
    text = "".join(export_parts([Paper('a"b', "x;=1+1,y", "")], ExportFormat.CSV))
    assert text.endswith("\r\n")
    assert '"a""b","x;=1+1,y",' in text
    assert all(line.startswith('"') and line.endswith('"') for line in text.splitlines())


def test_a_line_has_the_source_text_and_divided_names() -> None:
    [line] = export_parts([PAPER], ExportFormat.JSONL)
    record = json.loads(line)
    assert line.endswith("}\n")
    assert record["authors"] == [
        {"name": "Ida van der Berg", "family": "van der Berg", "given": "Ida"},
        {"name": "The LANTERN Collaboration", "family": "The LANTERN Collaboration", "collaboration": True},
    ]
    assert (record["title"], record["published"], record["updated"]) == ("Quiet\tbells", "2024-01-02", None)


@pytest.mark.parametrize("form", ExportFormat)
def test_papers_are_taken_one_by_one(form: ExportFormat) -> None:
    taken = 0

    def papers() -> Iterator[Paper]:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield PAPER

    parts = export_parts(papers(), form)
    for _ in range(5):
        next(parts)
    assert taken <= 5
    assert sum(1 for _ in parts) >= 45


@pytest.mark.parametrize("form", CitationFormat)
def test_citations_are_those_of_the_one_writer(form: CitationFormat) -> None:
    papers = [PAPER, PAPER]
    assert "".join(export_parts(papers, ExportFormat(form.value))) == write_citations(papers, form)
    assert ExportFormat(form.value).media_type == form.media_type
