"""Update with a complete source: papers that it lacks are withdrawn, but never one whose record cannot be read."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from akin.papers import Paper, PaperFileUnreadable, read_papers
from akin.papers.remote import Harvest
from retrieval_service.corpus import Manifest, SnapshotDirectory, open_snapshot
from retrieval_service.errors import NoPapers, SourceIncomplete
from tests.integration.snapshots import update


@pytest.fixture
def data(tmp_path: Path, kit: Any) -> Path:
    kit.build(kit.papers(60), kit.Encoder(), tmp_path / "data")
    return tmp_path / "data"


def line(paper: Paper, **other: Any) -> bytes:
    record = {"id": paper.id, "title": paper.title, "abstract": paper.abstract, "categories": "cs.LG", "versions": []}
    return json.dumps({name: value for name, value in (record | other).items() if value is not None}).encode() + b"\n"


def complete(path: Path, data: Path, kit: Any, fields: str | None = None, **more: Any) -> Manifest:
    with read_papers(path, fields) as reader:
        return update(reader, kit.Encoder(), data, complete=True, **({"may_lack": 0.05} | more))


def ids(data: Path) -> set[str]:
    name = SnapshotDirectory(data).current()
    assert name is not None
    snapshot = open_snapshot(SnapshotDirectory(data).path(name))
    try:
        return {paper.id for paper in snapshot.catalogue.papers(range(len(snapshot.catalogue)))}
    finally:
        snapshot.close()


MET: dict[str, Callable[[Paper], bytes]] = {
    "without title": lambda paper: line(paper, title=None),
    "without abstract": lambda paper: line(paper, abstract=""),
    "of another type": lambda paper: line(paper, title=["a"], abstract={"b": 1}),
    "broken behind its id": lambda paper: line(paper)[:-20] + b"\n",
    "with bytes that are not UTF-8": lambda paper: line(paper).replace(b"abstract", b"abs\xfftract"),
    "whose id is escaped": lambda paper: line(paper).replace(b"2001.", b"\\u0032001.")[:-20] + b"\n",
}


@pytest.mark.parametrize("bad", MET.values(), ids=MET)
def test_a_paper_whose_record_is_bad_stays(data: Path, tmp_path: Path, kit: Any, bad: Any) -> None:
    papers = kit.papers(61)
    content = b"".join(map(line, papers[:20])) + bad(papers[20]) + b"".join(map(line, papers[21:58]))
    path = tmp_path / "all.jsonl"
    path.write_bytes(content + line(papers[60]))
    manifest = complete(path, data, kit)
    assert manifest.change is not None
    assert (manifest.change.added, manifest.change.withdrawn, manifest.change.kept) == (1, 2, 0)
    assert ids(data) == {paper.id for paper in (*papers[:58], papers[60])}


@pytest.mark.parametrize(
    "bad",
    [
        b"rubbish\n",
        b'{"title": "Of nobody", "abstract": "It has no id.", "versions": []}\n',
        b'{"id": "9999.1", "title": "broken\n',
        b'{"id": "2001.10003", "title": "broken, of a paper that is there as well\n',
        b"x" * (9 << 20) + b"\n",
    ],
    ids=["rubbish", "no id", "another's id", "a whole one's id", "too long"],
)
def test_no_absent_paper_is_withdrawn_if_a_bad_record_may_be_its_own(
    data: Path, tmp_path: Path, kit: Any, bad: bytes
) -> None:
    papers = kit.papers(62)
    path = tmp_path / "all.jsonl"
    deleted = json.dumps({"id": papers[0].id, "deleted": True}).encode() + b"\n"
    path.write_bytes(b"".join(map(line, papers[2:20])) + deleted + bad + b"".join(map(line, papers[20:])))
    manifest = complete(path, data, kit)
    assert manifest.change is not None
    assert (manifest.change.added, manifest.change.withdrawn, manifest.change.kept) == (2, 0, 1)
    assert ids(data) == {paper.id for paper in papers}


def test_withdrawing_more_than_the_share_needs_permission(data: Path, tmp_path: Path, kit: Any) -> None:
    papers = kit.papers(80)
    path = tmp_path / "all.jsonl"
    path.write_bytes(b"".join(map(line, papers[4:])))  # four of sixty, though the corpus would grow
    before = SnapshotDirectory(data).current()
    with pytest.raises(SourceIncomplete, match=r"lacks 4 of 60 papers \(6\.7%\).*--allow-shrink"):
        complete(path, data, kit)
    assert (SnapshotDirectory(data).current(), SnapshotDirectory(data).ids()) == (before, [before])
    manifest = complete(path, data, kit, may_lack=1.0)
    assert manifest.papers == 76
    path.write_bytes(b"".join(map(line, papers[7:])))
    assert complete(path, data, kit).papers == 73  # three of 76
    with pytest.raises(NoPapers):
        update((), kit.Encoder(), data, complete=True)


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz", "all.csv", "all-quoted.csv", "all-utf8.jsonl"])
def test_a_file_that_is_cut_off_changes_nothing(data: Path, tmp_path: Path, kit: Any, name: str) -> None:
    papers = kit.papers(60)
    path = tmp_path / name
    text = io.StringIO()
    table = csv.writer(text, quoting=csv.QUOTE_ALL if "quoted" in name else csv.QUOTE_MINIMAL)
    table.writerows([["id", "title", "abstract"], *([paper.id, paper.title, paper.abstract] for paper in papers)])
    content = text.getvalue().encode() if name.endswith(".csv") else b"".join(map(line, papers))
    if name.endswith(".gz"):
        content = gzip.compress(content)
    if "utf8" in name:
        content = b"".join(map(line, papers[:58])) + b'{"id": "' + papers[58].id.encode() + b'", "title": "caf\xc3'
        path.write_bytes(content)
    else:
        # Within the last but one: in a title without quotes, in a quoted abstract, or a few hundred bytes of gzip.
        end = content.rindex(papers[58].title.encode()) if b"," in content[:99] and not name.endswith(".gz") else 0
        path.write_bytes(content[: end + (40 if "quoted" in name else 5)] if end else content[:-300])
    before = SnapshotDirectory(data).current()
    for share in (0.05, 1.0):
        with pytest.raises((SourceIncomplete, PaperFileUnreadable), match=r"breaks off|corrupt"):
            complete(path, data, kit, may_lack=share)
    assert (SnapshotDirectory(data).current(), SnapshotDirectory(data).ids()) == (before, [before])


def test_a_file_without_a_last_line_end_is_complete(data: Path, tmp_path: Path, kit: Any) -> None:
    papers = kit.papers(60)
    (tmp_path / "all.jsonl").write_bytes(b"".join(map(line, papers[1:])).rstrip(b"\n"))
    assert complete(tmp_path / "all.jsonl", data, kit).papers == 59
    rows = [["id", "title", "abstract"], *([paper.id, paper.title, paper.abstract] for paper in papers[2:])]
    (tmp_path / "all.csv").write_text("\n".join(",".join(f'"{cell}"' for cell in row) for row in rows))
    assert complete(tmp_path / "all.csv", data, kit).papers == 58
    plain = [["id", "title", "abstract"], *([paper.id, f"Title {paper.id}", "Words"] for paper in papers[3:])]
    (tmp_path / "all.csv").write_text("\n".join(",".join(row) for row in plain))
    assert complete(tmp_path / "all.csv", data, kit).papers == 57  # the last cell has no quotes


def test_a_harvest_since_a_day_is_not_a_complete_source(data: Path, tmp_path: Path, kit: Any) -> None:
    (tmp_path / "all.jsonl").write_bytes(b"".join(map(line, kit.papers(60)[1:])))
    harvest = Harvest("all.jsonl", "https://oai", None, "2026-01-01", "2026-02-01", 59, 0, 0, "0" * 64)
    with pytest.raises(SourceIncomplete, match="what changed since 2026-01-01"):
        complete(tmp_path / "all.jsonl", data, kit, harvest=harvest)
    assert len(ids(data)) == 60


def test_ids_of_mapped_fields_are_recognised(tmp_path: Path, kit: Any) -> None:
    papers = [Paper(str(number), f"Title {number}", "An abstract.") for number in range(100, 160)]
    data = tmp_path / "data"
    kit.build(papers, kit.Encoder(), data)
    lines = [f'{{"title": "{paper.title}", "key": {paper.id}, "text": "An abstract."}}' for paper in papers]
    lines[7] = lines[7][:-1]
    (tmp_path / "all.jsonl").write_text("\n".join([*lines[:20], *lines[21:]]) + "\n")
    manifest = complete(tmp_path / "all.jsonl", data, kit, "id=key,title=title,abstract=text")
    assert ids(data) == {paper.id for paper in papers if paper.id != "120"}
    assert manifest.rejected == {"broken_json": 1}
