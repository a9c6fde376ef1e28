import gzip
import json
from datetime import date

import pytest

from akin.papers import Author, BadRecord, MappingError, Paper, Reason, parse_mapping, read_papers
from tests.people import people

BEIR = "id=_id,title=title,abstract=text"


def jsonl(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_beir_without_a_mapping_suggests_one(tmp_path):
    path = jsonl(tmp_path / "corpus.jsonl", {"_id": "1", "title": "T", "text": "A"})
    with pytest.raises(MappingError, match=f"corpus.jsonl.*'_id', 'title', 'text'.*--map {BEIR}"):
        read_papers(path)


def test_beir_papers_without_a_title_are_kept(tmp_path):
    path = jsonl(
        tmp_path / "corpus.jsonl",
        {"_id": "1", "title": "T", "text": "A"},
        {"_id": "2", "title": "", "text": "A"},
        {"_id": "3", "title": "T", "text": ""},
        {"_id": "4", "title": "", "text": " "},
        {"_id": "5", "text": "A"},
        {"_id": "6", "title": "T", "text": None},
        {"_id": 7, "title": "T", "text": ["One.", "Two."]},
        {"title": "T", "text": "A"},
        {"_id": True, "title": "T", "text": "A"},
        {"_id": "10", "title": 5, "text": "A"},
        {"_id": "1", "title": "T", "text": "A"},
        ["_id"],
    )
    reader = read_papers(path, BEIR)
    assert list(reader) == [
        Paper("1", "T", "A"),
        Paper("2", "", "A"),
        Paper("3", "T", ""),
        Paper("7", "T", "One. Two."),
    ]
    assert reader.report.rejected == {
        Reason.NO_TEXT: 1,
        Reason.NO_TITLE: 1,
        Reason.NO_ABSTRACT: 1,
        Reason.NO_ID: 1,
        Reason.WRONG_TYPE: 2,
        Reason.DUPLICATE_ID: 1,
        Reason.NOT_AN_OBJECT: 1,
    }


def test_every_field_nested_and_in_other_shapes(tmp_path):
    path = jsonl(
        tmp_path / "papers.jsonl",
        {
            "key": "k",
            "meta": {"title": "T", "year": 2019},
            "summary": "A",
            "people": [{"name": "A. One"}, {"name": "B. Two"}],
            "fields": "Physics; Computer Science",
            "ids.doi": "10.1/x",
        },
    )
    mapping = {
        "id": "key",
        "title": "meta.title",
        "abstract": "summary",
        "authors": "people",
        "categories": "fields",
        "date": "meta.year",
        "doi": "ids.doi",
    }
    [paper] = read_papers(path, mapping)
    assert paper == Paper(
        "k", "T", "A", people("A. One", "B. Two"), ("Physics", "Computer Science"), date(2019, 1, 1), None, "10.1/x"
    )


def test_invalid_utf8_and_broken_json_are_counted(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(b'{"_id": "1", "title": "T", "text": "A"}\n{"_id": "2", "x": "\xff"}\n{"_id": "3"\n')
    reader = read_papers(path, BEIR)
    assert len(list(reader)) == 1
    assert reader.report.rejected == {Reason.INVALID_UTF8: 1, Reason.BROKEN_JSON: 1}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("id=_id", "title or the abstract"),
        ("title=title,abstract=text", "must name the id"),
        ("id=_id,titel=title", "no field 'titel'"),
        ("id=_id,title", "'title' is not a part of a mapping"),
        ("id=_id,title=,abstract=text", "is not a part of a mapping"),
        ("id=_id,title=a,title=b", "'title' twice"),
        ("id=_id,abstract=a,text=b", "'abstract' twice"),
        ("", "is not a part of a mapping"),
    ],
)
def test_malformed_mappings(mapping, message):
    with pytest.raises(MappingError, match=message):
        parse_mapping(mapping)


def test_a_mapping_is_written_as_it_is_read():
    assert str(parse_mapping(" id=_id, text=text,date=year")) == "id=_id,abstract=text,published=year"


def test_a_mapping_that_does_not_fit_lists_the_fields(tmp_path):
    path = jsonl(tmp_path / "corpus.jsonl", {"_id": "1", "title": "T", "body": "A"})
    with pytest.raises(MappingError, match=r"no field 'text' .*'_id', 'title', 'body'"):
        read_papers(path, BEIR)


def test_csv_with_quoted_line_ends(tmp_path):
    path = tmp_path / "papers.csv"
    path.write_bytes(
        b'\xef\xbb\xbfkey,name,"text",when\r\n'
        b'1,"A ""quoted"", title","Two\r\nlines",2020-05-01\r\n'
        b"\r\n"
        b",no id,text,\r\n"
        b"3,caf\xe9,text,\r\n"
        b"4,too,many,cells,here\r\n"
        b"5,missing\r\n"
        b"6,,text,\r\n"
        b"7,,,\r\n"
        b"1,twice,text,\r\n"
    )
    rejects = tmp_path / "rejects.jsonl"
    reader = read_papers(path, "id=key,title=name,abstract=text,date=when", rejects=rejects)
    assert list(reader) == [
        Paper("1", 'A "quoted", title', "Two lines", published=date(2020, 5, 1)),
        Paper("6", "", "text"),
    ]
    found = [(reject["line"], reject["reason"]) for reject in map(json.loads, rejects.read_text().splitlines())]
    assert found == [
        (5, "no_id"),
        (6, "invalid_utf8"),
        (7, "wrong_columns"),
        (8, "no_abstract"),
        (10, "no_text"),
        (11, "duplicate_id"),
    ]


def test_csv_cell_beyond_the_limit_spoils_one_record(tmp_path):
    path = tmp_path / "papers.csv"
    path.write_text(f"id,title,abstract\n1,T,A\n2,T,{'x' * 200_000}\n3,T,A\n")
    reader = read_papers(path)
    assert [paper.id for paper in reader] == ["1", "3"]
    assert reader.report.rejected == {Reason.BROKEN_CSV: 1}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_a_papers_own_names_needs_no_mapping(tmp_path, delimiter):
    path = tmp_path / "papers.csv.gz"
    rows = [["id", "title", "abstract", "authors", "date"], ["1", "T", "A", "A. One and B. Two", "2020"]]
    path.write_bytes(gzip.compress("\n".join(delimiter.join(row) for row in rows).encode()))
    assert list(read_papers(path)) == [Paper("1", "T", "A", people("A. One", "B. Two"), (), date(2020, 1, 1))]


def test_strict_csv_names_the_line(tmp_path):
    path = tmp_path / "papers.csv"
    path.write_text("id,title,abstract\n1,T,A\n,T,A\n")
    with pytest.raises(BadRecord, match=r"papers.csv:3: no id"):
        list(read_papers(path, strict=True))


@pytest.mark.parametrize("header", ["ID,Title,Abstract,Authors", "Id,TITLE,abstract,AUTHORS"])
def test_capitals_in_a_header_do_not_count(tmp_path, header):
    path = tmp_path / "papers.csv"
    path.write_text(f"{header}\n1,T,A,A. One\n")
    assert list(read_papers(path)) == [Paper("1", "T", "A", people("A. One"))]


def test_of_two_spellings_of_a_header_the_one_of_small_letters_is_taken(tmp_path):
    path = tmp_path / "papers.csv"
    path.write_text("id,title,Title,abstract\n1,small,large,A\n")
    assert [paper.title for paper in read_papers(path)] == ["small"]


def test_divided_names_and_versions_of_an_export_are_read(tmp_path):
    people = [{"name": "x", "family": "de la Cruz", "given": "A."}, {"family": "The X Team", "collaboration": True}]
    record = {"id": "2401.00001", "title": "T", "abstract": "", "versions": 3, "journal_ref": None, "withdrawn": True}
    odd = {**record, "id": "2401.00002", "versions": "three", "authors": [{"name": "Ada Lovelace"}]}
    first, second = read_papers(jsonl(tmp_path / "papers.jsonl", {**record, "authors": people}, odd))
    assert first.authors == (Author("de la Cruz", "A."), Author("The X Team", collaboration=True))
    assert (first.versions, first.withdrawn, first.authors_parsed) == (3, True, True)
    assert (second.versions, second.authors, second.authors_parsed) == (0, (Author("Lovelace", "Ada"),), False)


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", "\u202etxt.exe", "a\x9bb", "a\u2028b", "a\x00"])
def test_ids_that_cannot_be_shown_are_rejected(tmp_path, name):
    records = ({"_id": each, "title": "T", "text": "A"} for each in (name, "b c"))
    path = jsonl(tmp_path / "papers.jsonl", *records)
    reader = read_papers(path, BEIR, rejects=tmp_path / "rejects.jsonl")
    assert [paper.id for paper in reader] == ["b c"]
    assert reader.report.rejected == {Reason.UNPRINTABLE_ID: 1}
    [line] = (tmp_path / "rejects.jsonl").read_text().splitlines()
    assert line.isprintable()
    assert "characters that cannot be shown" in line
