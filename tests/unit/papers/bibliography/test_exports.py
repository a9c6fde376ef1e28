"""References in the files that an export writes."""

from __future__ import annotations

from datetime import date

import pytest

from akin.papers import Paper
from akin.papers.authors import parse_authors
from akin.papers.bibliography.references import Reference, read_references
from akin.papers.export import ExportFormat, export_parts

PAPERS = [
    Paper(
        *(
            "2401.09032",
            'Graphs, "nets"; and more',
            "An abstract\nof lines.",
            parse_authors("Ada Lovelace, Bo van Dyk"),
        ),
        *(("cs.LG",), date(2024, 1, 17)),
    ),
    Paper("hep-th/9901001", "=1+1 as a title", "", parse_authors("Cy Young"), doi="10.1000/abc"),
    Paper("my key, 1", "'Quoted' words", ""),
]


def read(text: str) -> tuple[str, list[Reference]]:
    form, references = read_references(text, 100)
    return form, list(references)


@pytest.mark.parametrize("form", [ExportFormat.CSV, ExportFormat.JSONL])
def test_an_export_is_read_again(form: ExportFormat) -> None:
    text = "".join(export_parts(PAPERS, form))
    for sent in (text, "\ufeff" + text.replace("\r\n", "\n"), "\n" + text):
        named, references = read(sent)
        assert named == form.value
        assert [each.title for each in references] == [paper.title for paper in PAPERS]
        assert [each.authors for each in references] == [("Lovelace", "van Dyk"), ("Young",), ()]
        assert [each.arxiv_id for each in references] == ["2401.09032", "hep-th/9901001", None]
        assert [each.paper_id for each in references] == [paper.id for paper in PAPERS]
        assert [each.doi for each in references] == [None, "10.1000/abc", None]
        assert [each.year for each in references] == [2024, None, None]
        assert [each.problem for each in references] == [None] * 3


def test_a_table_that_a_spreadsheet_saved_with_semicolons_is_read() -> None:
    form, (reference,) = read("id;title;authors;published\n2401.09032;Graphs;Ada Lovelace;2024-01-17\n")
    assert (form, reference.title, reference.arxiv_id, reference.line) == ("csv", "Graphs", "2401.09032", 2)


def test_broken_lines_are_named_and_the_others_are_read() -> None:
    line = '{"id": "2401.09032", "title": "T"}'
    _, references = read(f'{line}\n{{"id": 3}}\n{line[:9]}\n{{"id": "", "title": ""}}\n{line}')
    assert [each.problem is None for each in references] == [True, False, False, False, True]
    assert [each.line for each in references] == [1, 2, 3, 4, 5]
    assert "no record of a paper" in str(references[1].problem)
    _, references = read("id,title,authors\n" + "x" * 200_000 + "\n2401.09032,T,A. Smith,more,cells\n")
    assert references[0].problem is not None
    assert references[-1].arxiv_id == "2401.09032"


def test_other_texts_are_no_exports() -> None:
    for text in ("id, title", '{"a": 1}', "title,id,authors\nx,y,z", "2401.09032", '[{"id": "1", "title": "x"}]', ""):
        assert read_references(text, 100)[0] not in ("csv", "jsonl")
