"""Files that a stranger made to fill the memory, to read other files, or to write beside their folder."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from akin.cli.resolve import _LONGEST, _unpacked
from akin.papers import read_papers, sample
from akin.papers.errors import PapersError
from akin.papers.readers.paper_file import LONGEST_LINE, PaperFile
from akin.papers.remote.oai import BadAnswer, offered_formats, parse_page
from akin.relevance.errors import RelevanceError
from akin.relevance.loaders import files, trec_covid

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>'
QUADRATIC = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "{"a" * 60_000}">]>'
ATTACKS = {
    "billion laughs": (BOMB, "&l9;"),
    "quadratic": (QUADRATIC, "&a;" * 20_000),
    "file": ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>', "&f;"),
    "network": ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "http://127.0.0.1:9/x">]>', "&f;"),
    "parameter": (
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p; <!ENTITY f "%p;">]>',
        "&f;",
    ),
}
ACL = '{0}<collection id="2020.acl"><volume id="1"><paper id="1"><title>T {1}</title><abstract>A {1}</abstract>'
ACL += "</paper></volume></collection>"
TOPICS = '{0}<topics><topic number="1"><question>Q {1}</question></topic></topics>'
OAI = "{0}<OAI-PMH><ListRecords><record>{1}</record></ListRecords></OAI-PMH>"
FORMATS = "{0}<OAI-PMH><ListMetadataFormats><metadataFormat><metadataPrefix>{1}</metadataPrefix></metadataFormat>"
FORMATS += "</ListMetadataFormats></OAI-PMH>"


@contextmanager
def little_memory(most: int) -> Iterator[None]:
    """Check that a block never holds more bytes than this."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most


@pytest.mark.parametrize("attack", ATTACKS)
def test_entities_are_not_read_in_papers(tmp_path: Path, attack: str) -> None:
    path = tmp_path / "2020.acl.xml"
    path.write_text(ACL.format(*ATTACKS[attack]))
    with little_memory(150_000_000), pytest.raises(PapersError, match="not well-formed XML"):
        list(read_papers(path))


@pytest.mark.parametrize("attack", ATTACKS)
def test_entities_are_not_read_in_topics(tmp_path: Path, attack: str) -> None:
    path = tmp_path / "topics.xml"
    path.write_text(TOPICS.format(*ATTACKS[attack]))
    with little_memory(150_000_000), pytest.raises(RelevanceError, match="is not XML"):
        trec_covid._questions(path)


@pytest.mark.parametrize("attack", ATTACKS)
def test_entities_are_not_read_in_answers_of_repositories(attack: str) -> None:
    declared, used = ATTACKS[attack]
    with little_memory(150_000_000):
        with pytest.raises(BadAnswer, match="declares entities"):
            parse_page(OAI.format(declared, used).encode())
        assert "root:" not in str(offered_formats(FORMATS.format(declared, used).encode()))


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a gzip file of 200 KB that unpacks to 200 MB on one line; return its path."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(200):
            file.write(b"a" * 1_000_000)
    assert path.stat().st_size < 300_000
    return path


def test_a_line_of_a_packed_file_of_papers_is_bounded(bomb: Path) -> None:
    with little_memory(6 * LONGEST_LINE):
        file = PaperFile(bomb)
        assert list(file.lines()) == [(1, None)]
        file.close()


def test_a_packed_file_that_is_read_as_a_whole_is_bounded(bomb: Path) -> None:
    file = PaperFile(bomb)
    with little_memory(20 * LONGEST_LINE), pytest.raises(PapersError, match="larger than 64 MB"):
        file.read()
    file.close()


def test_packed_references_are_bounded(bomb: Path) -> None:
    with little_memory(4 * _LONGEST + 10_000_000):
        assert len(_unpacked("bomb.gz", bomb.read_bytes())) == _LONGEST + 1


def test_a_line_of_a_packed_test_collection_is_bounded(bomb: Path) -> None:
    with little_memory(4 * files.LONGEST_LINE), pytest.raises(RelevanceError, match="longer than"):
        list(files.json_lines(bomb))


def test_an_archive_with_another_digest_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "source.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("../../escaped", "/escaped", sample.MEMBER):
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"data"))
    opened: list[object] = []
    monkeypatch.setattr(sample.tarfile, "open", lambda *given, **more: opened.append(given))
    with pytest.raises(sample.SampleUnavailable, match="it was not unpacked"):
        sample.extract(archive, "0" * 64, "0" * 64)
    assert opened == []
    monkeypatch.undo()
    packed = sha256(archive.read_bytes()).hexdigest()
    assert sample.extract(archive, packed, sha256(b"data").hexdigest()) == b"data"
    with pytest.raises(sample.SampleUnavailable, match="expected"):
        sample.extract(archive, packed, "0" * 64)
    # Only the one member was read, and none was written.
    assert [path.name for path in tmp_path.parent.glob("**/escaped")] == []
