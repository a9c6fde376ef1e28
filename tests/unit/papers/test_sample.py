import hashlib
import io
import json
import subprocess
import tarfile
from datetime import date
from pathlib import Path

import pytest

from akin.papers import Paper, Reason, SampleUnavailable, fetch_sample, read_papers, sample
from tests.people import people

RECORD = {
    "document": "http://example.org/doc",
    "title": "[1805.04174] Joint Embedding (ACL 2018)",
    "comment": "> a note",
    "arxiv_author": ["Wenlin Wang", "Guoyin Wang", "Yizhe Zhang"],
    "arxiv_summary": "Word embeddings are\neffective.",
    "arxiv_firstAuthor": "Guoyin Wang",
    "arxiv_title": "Joint Embedding of\n  Words and Labels",
    "arxiv_num": "1805.04174v2",
    "arxiv_published": "2018-05-10T20:31:45Z",
    "arxiv_updated": "2018-06-01T00:00:00Z",
}
CONTENT = json.dumps([RECORD], indent=4).encode()


@pytest.fixture
def archive():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in [("cherche-2.2.1/setup.py", b"raise SystemExit"), (sample.MEMBER, CONTENT)]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def pip(monkeypatch, archive):
    """Replace pip by a stub that writes the archive to the given folder and records its calls."""
    calls = []

    def run(command, **kwargs):
        calls.append(command)
        requirements = Path(command[command.index("-r") + 1]).read_text()
        assert requirements == f"{sample.REQUIREMENT} --hash=sha256:{sample.ARCHIVE_SHA256}\n"
        with open(f"{command[command.index('-d') + 1]}/cherche-2.2.1.tar.gz", "wb") as file:
            file.write(archive)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(sample.subprocess, "run", run)
    monkeypatch.setattr(sample, "MEMBER_SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(sample, "ARCHIVE_SHA256", hashlib.sha256(archive).hexdigest())
    return calls


def test_the_sample_is_fetched_once_and_read(tmp_path, pip):
    path = fetch_sample(tmp_path / "data")
    assert fetch_sample(tmp_path / "data") == path
    assert len(pip) == 1
    assert "--require-hashes" in pip[0]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert list(read_papers(path)) == [
        Paper(
            "1805.04174",
            "Joint Embedding of Words and Labels",
            "Word embeddings are effective.",
            people("Guoyin Wang", "Wenlin Wang", "Yizhe Zhang"),
            published=date(2018, 5, 10),
            updated=date(2018, 6, 1),
        )
    ]


def test_a_damaged_sample_is_fetched_again(tmp_path, pip):
    path = fetch_sample(tmp_path)
    path.write_bytes(CONTENT[:-5])
    assert fetch_sample(tmp_path).read_bytes() == CONTENT


def test_an_archive_of_another_digest_is_not_opened(tmp_path, pip, monkeypatch):
    monkeypatch.setattr(sample, "ARCHIVE_SHA256", "0" * 64)
    with pytest.raises(SampleUnavailable, match=r"SHA-256.*expected 000"):
        fetch_sample(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_with_another_file_inside(tmp_path, pip, monkeypatch):
    monkeypatch.setattr(sample, "MEMBER_SHA256", "0" * 64)
    with pytest.raises(SampleUnavailable, match=r"arxiv.json has SHA-256"):
        fetch_sample(tmp_path)


def test_an_archive_without_the_file(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(SampleUnavailable, match=r"does not hold"):
        sample.extract(path, hashlib.sha256(path.read_bytes()).hexdigest(), "")


def test_pip_without_a_network_says_what_to_do(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: No matching distribution found\n")
    monkeypatch.setattr(sample.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(SampleUnavailable, match=r"No matching distribution found.*Check the network"):
        fetch_sample(tmp_path)


def test_an_environment_without_any_pip(tmp_path, monkeypatch):
    monkeypatch.setattr(sample.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(sample.shutil, "which", lambda _: None)
    with pytest.raises(SampleUnavailable, match=r"pip is not installed"):
        fetch_sample(tmp_path)


def test_bad_records_of_the_sample_are_counted(tmp_path):
    path = tmp_path / "sample.json"
    changes = [{}, {"arxiv_num": "x"}, {"arxiv_title": " "}, {"arxiv_summary": ""}, {"arxiv_author": "A"}, {}]
    path.write_text(json.dumps([RECORD | change for change in changes]))
    reader = read_papers(path)
    assert len(list(reader)) == 1
    assert reader.format == "sample"
    assert reader.report.rejected == {
        Reason.NO_ID: 1,
        Reason.NO_TITLE: 1,
        Reason.NO_ABSTRACT: 1,
        Reason.WRONG_TYPE: 1,
        Reason.DUPLICATE_ID: 1,
    }
