import gzip
import json
from datetime import date

import pytest

from akin.papers import BadRecord, Paper, Reason, read_papers
from tests.people import people

GOOD = {
    "id": "0704.0001",
    "submitter": "Pavel",
    "authors": "C. Bal\\'azs, E. L. Berger",
    "title": "Calculation of prompt\n  diphoton production",
    "comments": None,
    "journal-ref": "Phys.Rev.D76:013009,2007",
    "doi": "10.1103/PhysRevD.76.013009",
    "report-no": "ANL",
    "categories": "hep-ph hep-ex",
    "license": None,
    "abstract": "  A fully differential\ncalculation in QCD.\n",
    "versions": [
        {"version": "v1", "created": "Mon, 2 Apr 2007 19:18:42 GMT"},
        {"version": "v2", "created": "Tue, 24 Jul 2007 20:10:27 GMT"},
    ],
    "update_date": "2008-11-26",
    "authors_parsed": [["Balázs", "C.", ""], ["Berger", "E. L.", ""]],
}


def record(**changes):
    return json.dumps(GOOD | changes).encode()


def write(path, *lines, end=b"\n"):
    path.write_bytes(b"".join(line + end for line in lines))
    return path


def test_a_record_in_full(tmp_path):
    reader = read_papers(write(tmp_path / "arxiv.json", record()))
    assert list(reader) == [
        Paper(
            id="0704.0001",
            title="Calculation of prompt diphoton production",
            abstract="A fully differential calculation in QCD.",
            authors=people("C. Balázs", "E. L. Berger"),
            categories=("hep-ph", "hep-ex"),
            published=date(2007, 4, 2),
            updated=date(2007, 7, 24),
            doi="10.1103/PhysRevD.76.013009",
            journal_ref="Phys.Rev.D76:013009,2007",
            versions=2,
            authors_parsed=True,
        )
    ]
    assert reader.format == "arxiv"
    assert (reader.report.kept, reader.report.rejected_total, reader.report.undated) == (1, 0, 0)


def test_a_record_with_only_what_is_required(tmp_path):
    path = write(tmp_path / "a.jsonl", record(), b'{"id": "hep-th/9901001", "title": "T", "abstract": "A"}')
    reader = read_papers(path)
    assert list(reader)[1] == Paper("hep-th/9901001", "T", "A")
    assert reader.report.undated == 1


def test_update_date_is_used_without_versions(tmp_path):
    [paper] = read_papers(write(tmp_path / "a.jsonl", record(versions=[])))
    assert (paper.published, paper.updated, paper.versions) == (None, date(2008, 11, 26), 0)


def test_authors_and_categories_can_be_lists(tmp_path):
    changes = {"authors": ["A. One", " B.  Two "], "authors_parsed": None, "categories": ["cs.LG", "stat.ML"]}
    [paper] = read_papers(write(tmp_path / "a.jsonl", record(**changes)))
    assert paper.authors == people("A. One", "B. Two")
    assert paper.categories == ("cs.LG", "stat.ML")


BAD = [
    (b'{"id": "2503.00009", "title": "T', Reason.BROKEN_JSON, "2503.00009"),
    (b"{} {}", Reason.BROKEN_JSON, None),
    (b"not json", Reason.BROKEN_JSON, None),
    (b'{"id": "2503.00009", "title": "\\udzzz"}', Reason.BROKEN_JSON, "2503.00009"),
    (b"[" * 5000, Reason.NOT_AN_OBJECT, None),
    (b'["a", "b"]', Reason.NOT_AN_OBJECT, None),
    (b"null", Reason.NOT_AN_OBJECT, None),
    (record(id=None), Reason.NO_ID, None),
    (record(id="  "), Reason.NO_ID, None),
    (b'{"title": "T", "abstract": "A"}', Reason.NO_ID, None),
    (record(id="2503.00009", title=None), Reason.NO_TITLE, "2503.00009"),
    (record(id="2503.00009", title=" \n "), Reason.NO_TITLE, "2503.00009"),
    (record(id="2503.00009", abstract=""), Reason.NO_ABSTRACT, "2503.00009"),
    (b'{"id": "2503.00009", "title": "T"}', Reason.NO_ABSTRACT, "2503.00009"),
    (record(title="Again"), Reason.DUPLICATE_ID, "0704.0001"),
    (record(id=12.5), Reason.WRONG_TYPE, None),
    (record(id="2503.00009", title=["T"]), Reason.WRONG_TYPE, "2503.00009"),
    (record(id="2503.00009", abstract={"text": "A"}), Reason.WRONG_TYPE, "2503.00009"),
    (record(id="2503.00009", versions="v1"), Reason.WRONG_TYPE, "2503.00009"),
    (b'{"id": "2503.00009", "title": "T\xff", "abstract": "A"}', Reason.INVALID_UTF8, "2503.00009"),
    # Even in a field that is not read: the line is not JSON.
    (b'{"id": "2503.00009", "title": "T", "abstract": "A", "comments": "\xe9"}', Reason.INVALID_UTF8, "2503.00009"),
]


@pytest.mark.parametrize(("line", "reason", "paper_id"), BAD)
def test_a_bad_record_is_rejected_and_the_others_kept(tmp_path, line, reason, paper_id):
    path = write(tmp_path / "a.jsonl", record(), b"", line, record(id="0704.0002"))
    reader = read_papers(path, rejects=tmp_path / "out" / "rejects.jsonl")
    assert [paper.id for paper in reader] == ["0704.0001", "0704.0002"]
    assert reader.report.rejected == {reason: 1}
    [reject] = map(json.loads, (tmp_path / "out" / "rejects.jsonl").read_text().splitlines())
    assert (reject["line"], reject["reason"], reject["id"]) == (3, reason, paper_id)
    assert 0 < len(reject["excerpt"]) <= 200


@pytest.mark.parametrize(("line", "reason", "paper_id"), BAD)
def test_strict_stops_at_the_first_bad_record_and_names_the_place(tmp_path, line, reason, paper_id):
    path = write(tmp_path / "a.jsonl", record(), line, record(id="0704.0002"))
    papers = []
    with pytest.raises(BadRecord, match=r"a.jsonl:2: ") as caught:
        papers.extend(read_papers(path, strict=True))
    assert (caught.value.line, caught.value.reason) == (2, reason)


def test_a_bad_first_record_does_not_hide_the_format(tmp_path):
    reader = read_papers(write(tmp_path / "a.jsonl", b"{broken", record()))
    assert len(list(reader)) == 1
    assert reader.report.rejected == {Reason.BROKEN_JSON: 1}


def test_a_list_on_the_first_line_is_a_bad_record_not_an_array(tmp_path):
    reader = read_papers(write(tmp_path / "a.jsonl", b'["a"]', record()))
    assert len(list(reader)) == 1
    assert reader.report.rejected == {Reason.NOT_AN_OBJECT: 1}


def test_a_file_whose_every_record_lacks_a_title_is_read_to_the_end(tmp_path):
    reader = read_papers(write(tmp_path / "a.jsonl", record(title=None), record(title="")))
    assert list(reader) == []
    assert reader.report.rejected == {Reason.NO_TITLE: 2}


def test_gzip_crlf_and_byte_order_mark(tmp_path):
    path = tmp_path / "named-like-nothing"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + record() + b"\r\n\r\n" + record(id="0704.0002")))
    assert [paper.id for paper in read_papers(path)] == ["0704.0001", "0704.0002"]


def test_no_rejects_file_without_rejects(tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    rejects.write_text("of an earlier run")
    assert len(list(read_papers(write(tmp_path / "a.jsonl", record()), rejects=rejects))) == 1
    assert not rejects.exists()


@pytest.mark.parametrize("value", [b"NaN", b"-Infinity", b'"\\ud83d"', b'["\\udc00 x", Infinity]'])
@pytest.mark.parametrize("mapping", [None, "id=id,title=title,abstract=abstract"])
def test_a_value_that_only_python_writes_does_not_reject_its_record(tmp_path, value, mapping):
    path = tmp_path / "papers.jsonl"
    path.write_bytes(
        b'{"id": "2401.09004", "title": "NaN \\ud83d\\ude00", "abstract": "A", "submitter": ' + value + b"}\n"
    )
    reader = read_papers(path, mapping)
    assert [paper.title for paper in reader] == ["NaN \U0001f600"]
    assert not reader.report.rejected


def test_half_of_a_pair_in_a_title_is_replaced(tmp_path):
    path = tmp_path / "papers.jsonl"
    path.write_bytes(b'{"id": "2401.09004", "title": "Half \\ud83d", "abstract": "A", "doi": NaN}\n')
    assert [paper.title for paper in read_papers(path)] == ["Half \ufffd"]
