import gzip
import json
import os
import threading
from datetime import date

import pytest

from akin.papers import (
    Author,
    Format,
    MappingError,
    Paper,
    PaperFileNotFound,
    PaperFileUnreadable,
    PapersError,
    Reason,
    UnknownFormat,
    read_papers,
)
from akin.papers.readers import paper_file

LINES = b"".join(
    json.dumps({"id": f"2503.{number:05}", "title": f"Title {number}", "abstract": os.urandom(200).hex()}).encode()
    + b"\n"
    for number in range(1, 5001)
)


def test_no_such_file(tmp_path):
    with pytest.raises(PaperFileNotFound, match=r"nowhere.jsonl: does not exist"):
        read_papers(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", PaperFileUnreadable, "is empty"),
        (b"\xef\xbb\xbf", UnknownFormat, "is not JSON lines"),
        (gzip.compress(b"", mtime=0), PaperFileUnreadable, "is empty"),
        (b"PK\x03\x04rest", PaperFileUnreadable, "zip archive; unpack"),
        ("[]".encode("utf-16"), PaperFileUnreadable, "UTF-16"),
        (b"\x1f\x8b\x08broken", PaperFileUnreadable, "breaks off|is corrupt"),
        (b"\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff", PaperFileUnreadable, "is corrupt"),
        (b'[\n{"a": 1},\n{"a": 2}\n]', UnknownFormat, "one JSON array"),
        (b'[{"a": 1}]', UnknownFormat, "one JSON array"),
        (b'{\n "id": 1\n}\n', UnknownFormat, "none of its first lines"),
        (b"<html></html>", UnknownFormat, "XML or HTML"),
        (b"just some words\n", UnknownFormat, "is not JSON lines"),
        (b'{"foo": 1}\n', MappingError, "'foo'.*--map"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, content, error, message):
    path = tmp_path / "papers.jsonl"
    path.write_bytes(content)
    with pytest.raises(error, match=f"papers.jsonl: .*({message})"):
        list(read_papers(path))


def test_a_directory(tmp_path):
    with pytest.raises(PaperFileUnreadable, match=r"is a directory"):
        read_papers(tmp_path)


def test_a_truncated_gzip_file_yields_the_papers_before_its_end(tmp_path):
    packed = gzip.compress(LINES)
    path = tmp_path / "papers.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    papers = []
    with pytest.raises(PaperFileUnreadable, match=r"papers.jsonl.gz: breaks off in the middle after line [\d,]+"):
        papers.extend(read_papers(path))


def test_a_gzip_file_with_damage_inside(tmp_path):
    packed = bytearray(gzip.compress(LINES))
    packed[-6] ^= 0xFF
    path = tmp_path / "papers.jsonl.gz"
    path.write_bytes(packed)
    with pytest.raises(PaperFileUnreadable, match=r"is corrupt"):
        list(read_papers(path))


def test_progress_counts_bytes_on_disk(tmp_path):
    path = tmp_path / "papers.jsonl.gz"
    path.write_bytes(gzip.compress(LINES))
    with read_papers(path) as reader:
        assert reader.bytes_total == path.stat().st_size
        next(iter(reader))
        assert 0 < reader.bytes_read <= reader.bytes_total
        assert len(list(reader)) == 4999
        assert reader.bytes_read == reader.bytes_total


def test_reading_is_a_stream(tmp_path):
    path = tmp_path / "papers.jsonl"
    path.write_bytes(LINES * 2)
    with read_papers(path) as reader:
        next(iter(reader))
        assert reader.bytes_read <= paper_file._BUFFER
        assert reader.report.kept == 1


def test_a_pipe_is_read_like_a_file(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(LINES),))
    writer.start()
    reader = read_papers(path)
    assert len(list(reader)) == 5000
    assert reader.bytes_total is None
    writer.join()


def test_a_line_that_is_too_long_is_one_bad_record(tmp_path, monkeypatch):
    monkeypatch.setattr(paper_file, "LONGEST_LINE", 1000)
    path = tmp_path / "papers.jsonl"
    first, second = LINES.splitlines(keepends=True)[:2]
    path.write_bytes(first + b'{"id": "' + b"x" * 5000 + b'"}\n' + second)
    rejects = tmp_path / "rejects.jsonl"
    reader = read_papers(path, rejects=rejects)
    assert [paper.id for paper in reader] == ["2503.00001", "2503.00002"]
    assert reader.report.rejected == {Reason.LINE_TOO_LONG: 1}
    assert json.loads(rejects.read_text())["line"] == 2


def test_the_format_can_be_forced(tmp_path):
    path = tmp_path / "papers.jsonl"
    path.write_bytes(b'{"foo": 1}\n')
    reader = read_papers(path, fmt="arxiv")
    assert list(reader) == []
    assert reader.report.rejected == {Reason.NO_ID: 1}
    with pytest.raises(MappingError, match=r"takes no mapping"):
        read_papers(path, "id=a,title=b", fmt=Format.ARXIV)


ACL = """<?xml version='1.0' encoding='UTF-8'?>
<collection id="2020.acl">
  <volume id="main" ingest-date="2020-07-05">
    <meta><booktitle>Proceedings</booktitle><month>July</month><year>2020</year></meta>
    <frontmatter><url hash="x">2020.acl-main.0</url></frontmatter>
    <paper id="1">
      <title>Learning to <fixed-case>U</fixed-case>nderstand</title>
      <author><first>Ann</first><last>Lee</last></author>
      <author><last>Plato</last></author>
      <abstract>We   understand <tex-math>x</tex-math>.</abstract>
      <url hash="y">2020.acl-main.1</url>
      <doi>10.18653/v1/2020.acl-main.1</doi>
    </paper>
    <paper id="2"><title>No abstract</title></paper>
    <paper id="3"><title>Own id</title><abstract>A.</abstract></paper>
  </volume>
</collection>
"""


def test_acl_anthology(tmp_path):
    path = tmp_path / "2020.acl.xml"
    path.write_text(ACL)
    rejects = tmp_path / "rejects.jsonl"
    reader = read_papers(path, rejects=rejects)
    assert list(reader) == [
        Paper(
            "2020.acl-main.1",
            "Learning to Understand",
            "We understand x.",
            (Author("Lee", "Ann"), Author("Plato")),
            published=date(2020, 7, 1),
            doi="10.18653/v1/2020.acl-main.1",
            authors_parsed=True,
        ),
        Paper("2020.acl-main.3", "Own id", "A.", published=date(2020, 7, 1)),
    ]
    reject = json.loads(rejects.read_text())
    assert (reject["line"], reject["reason"], reject["id"]) == (14, "no_abstract", "2020.acl-main.2")


def test_acl_ids_of_before_2020(tmp_path):
    path = tmp_path / "P18.xml"
    path.write_text(ACL.replace("2020.acl-main.1", "").replace('"2020.acl"', '"P18"').replace('"main"', '"1"'))
    assert [paper.id for paper in read_papers(path)] == ["P18-1001", "P18-1003"]


def test_acl_that_is_not_well_formed(tmp_path):
    path = tmp_path / "2020.acl.xml"
    path.write_text(ACL.replace("</volume>", ""))
    with pytest.raises(PapersError, match=r"2020.acl.xml: is not well-formed XML.*line 17"):
        list(read_papers(path))
