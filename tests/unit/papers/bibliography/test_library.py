from datetime import date

import pytest

from akin.papers import Author, Format, PapersError, UnknownFormat, links, read_papers
from akin.papers.errors import BadRecord
from akin.papers.publication import Publication


def library(tmp_path, text, name="library.bib", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with read_papers(path, **options) as reader:
        papers = list(reader)
        assert reader.format is Format.LIBRARY
        return papers, reader.report


def test_a_paper_of_an_entry(tmp_path):
    (paper,), report = library(
        tmp_path,
        "@book{knuth84, title={The {\\TeX}book}, author={Knuth, Donald E.}, publisher={Press}, year=1984,"
        " url={http://example.org}, keywords={TeX, typesetting}}",
    )
    assert (paper.id, paper.title, paper.abstract) == ("knuth84", "The TeXbook", "")
    assert (paper.authors, paper.categories) == ((Author("Knuth", "Donald E."),), ("TeX", "typesetting"))
    assert (paper.published, paper.journal_ref, paper.authors_parsed) == (date(1984, 1, 1), None, True)
    assert paper.publication == Publication(
        kind="book", key="knuth84", publisher="Press", url="http://example.org", date=(1984,)
    )
    assert links(paper) == {"url": "http://example.org"}
    assert (report.kept, report.rejected_total, report.cut_off) == (1, 0, False)


def test_ids_are_unique_and_stable(tmp_path):
    papers, _ = library(
        tmp_path,
        "@misc{a, title={One}, eprint={2401.09032}, doi={10.1000/a}}"
        "@misc{b, title={Two}, doi={10.1000/B}}"
        "@misc{c d/e, title={Three}}@misc{c d/e, title={Four}}@misc{c d/e, title={Five}}"
        "@misc{.., title={The sixth}, author={A Zed}, year=2012}@misc{, title={Seven}}"
        "@misc{1201.5678, title={A key like an id}}",
    )
    assert [paper.id for paper in papers] == [
        *("2401.09032", "10.1000/b", "c d/e", "c d/e-2", "c d/e-3", "zed2012sixth", "seven", "1201.5678")
    ]
    assert links(papers[0])["abs"] == "https://arxiv.org/abs/2401.09032"
    assert links(papers[1]) == {"doi": "https://doi.org/10.1000/B"}


def test_entries_of_one_work_are_one_paper(tmp_path):
    papers, report = library(
        tmp_path,
        "@misc{a, title={Wide Kites and their Strings}, eprint={2401.09032}, keywords={kites}}\n"
        "@article{b, title={{W}ide kites and their strings}, eprint={2401.09032}, journal={J. Kites}, doi={10.1/a},"
        " year=2024, abstract={An abstract.}, keywords={wind}}\n"
        "@article{c, title={Wide kites and their strings.}, doi={10.1/A}}\n"
        "@article{d, title={Narrow Kites of the North}, author={Ann Lind}, year=2001}\n"
        "@article{e, title={Narrow kites of the {N}orth}, author={Lind, A.}, year=2001, pages={1--2}}\n"
        "@article{f, title={Narrow kites of the North}, author={Lind, A.}, year=2002}\n",
    )
    assert [paper.id for paper in papers] == ["2401.09032", "d", "f"]
    assert report.joined == 3
    first = papers[0]
    assert (first.doi, first.abstract, first.categories) == ("10.1/a", "An abstract.", ("kites", "wind"))
    assert (first.publication.key, first.publication.kind, first.journal_ref) == ("a", "article", "J. Kites (2024)")
    assert papers[1].publication.pages == "1-2"


def test_works_that_only_seem_one_are_two(tmp_path):
    papers, report = library(
        tmp_path,
        "@incollection{a, title={First chapter of a book}, doi={10.1/book}}"
        "@incollection{b, title={Second chapter of a book}, doi={10.1/book}}"
        "@article{c, title={Preface}, author={A Lind}, year=2001}"
        "@article{d, title={Preface}, author={A Lind}, year=2001}"
        "@article{e, title={The same long title}, author={A Lind}, year=2001, doi={10.1/e}}"
        "@article{f, title={The same long title}, author={A Lind}, year=2001, doi={10.1/f}}",
    )
    assert [paper.id for paper in papers] == ["10.1/book", "10.1/book-2", "c", "d", "10.1/e", "10.1/f"]
    assert report.joined == 0


def test_keywords_have_one_spelling_and_are_bounded(tmp_path):
    rare = "".join(f"@misc{{r{n}, title={{T{n}}}, keywords={{rare {n}}}}}" for n in range(400))
    text = "@misc{a, title={A}, keywords={Deep Learning, cs.LG}}@misc{b, title={B}, keywords={deep learning}}"
    papers, _ = library(tmp_path, text + rare)
    assert papers[0].categories == ("Deep Learning", "cs.LG")
    assert papers[1].categories == ("Deep Learning",)
    assert len({code for paper in papers for code in paper.categories}) == 301


def test_bad_entries_are_reported_with_their_lines(tmp_path):
    text = "@misc{a, title={A}}\n@misc{b, year=2000}\n@misc{c title={C}}\n@misc{d, title={D"
    papers, report = library(tmp_path, text, rejects=tmp_path / "rejects.jsonl")
    assert [paper.id for paper in papers] == ["a"]
    assert report.rejected == {"no_text": 1, "broken_entry": 2}
    assert report.cut_off
    lines = (tmp_path / "rejects.jsonl").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ['{"line":2', '{"line":3', '{"line":4']
    with pytest.raises(BadRecord, match=r"library\.bib:2: no text"):
        library(tmp_path, text, strict=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ris", "TY  - JOUR\r\nTI  - Kites\r\nER  - \r\n"),
        ("a.json", '[{"type": "book", "title": "Kites"}]'),
        ("a.csv", "Key,Item Type,Publication Year,Title\nA,book,1999,Kites\n"),
        ("a.txt", "@misc{a, title={Kites}}"),
    ],
)
def test_every_format_by_its_content(tmp_path, name, text):
    (paper,), _ = library(tmp_path, text, name)
    assert paper.title == "Kites"


def test_what_is_no_library_says_so(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"type": "book", "title": "Kites"}, {"type"')
    with pytest.raises(UnknownFormat, match="not one JSON array of CSL-JSON"):
        list(read_papers(path))
    path.write_text("no papers")
    with pytest.raises(PapersError, match="BibTeX, RIS or CSL-JSON"):
        read_papers(path)
