"""Run the commands of `akin index` with stand-ins for the stack, the harvest and the library."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

from akin import snapshots
from akin.cli import index, index_maintenance
from akin.cli import papers as papers_commands
from akin.errors import PapersUnusable
from akin.indexing.changes import ChangedPapers
from akin.indexing.verify import RowCheck
from akin.papers import PASSAGE_TEXT_VERSION
from akin.papers.remote import ARXIV
from akin.stack_settings import Settings
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord, FileRecord
from retrieval_service.errors import SnapshotInvalid
from tests.unit.published import published_manifest

ENCODER = EncoderRecord(1, "a" * 64, 384)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    return tmp_path


def test_a_damaged_snapshot_does_not_become_the_live_one(data: Path) -> None:
    files = {name: FileRecord("0" * 64, 3) for name in ("catalogue.sqlite", "vectors.faiss")}
    SnapshotDirectory(data).use(published_manifest(data, "one", ENCODER).id)
    two = published_manifest(data, "two", ENCODER, files=files).id
    for name in files:
        (SnapshotDirectory(data).path(two) / name).write_bytes(b"bad")
    with pytest.raises(PapersUnusable, match=r"sqlite: is damaged"):
        index.use(two)
    assert SnapshotDirectory(data).current() == "one"


def test_damage_is_in_the_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = published_manifest(data, "one", ENCODER, files={"vectors.faiss": FileRecord("0" * 64, 3)}).id
    (SnapshotDirectory(data).path(name) / "vectors.faiss").write_bytes(b"bad")
    with pytest.raises(typer.Exit) as ended:
        index_maintenance.verify(name, json=True)
    assert ended.value.exit_code == 6
    found = json.loads(capsys.readouterr().out)
    assert found["snapshot"] == name
    assert [problem["file"] for problem in found["damage"]] == [
        str(SnapshotDirectory(data).path(name) / "vectors.faiss")
    ]


def test_the_json_of_a_whole_snapshot_without_recall(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = published_manifest(data, "one", ENCODER).id
    monkeypatch.setattr("akin.indexing.verify.verify_snapshot", lambda _: [])
    index_maintenance.verify(name, recall=False, json=True)
    assert json.loads(capsys.readouterr().out) == {"snapshot": name, "damage": []}


def test_rows_with_wrong_vectors_are_printed_and_end_in_an_error(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = published_manifest(data, "one", ENCODER).id
    asked: list[int | None] = []

    def checked(directory: Path, _: Path, *, rows: int | None) -> RowCheck:
        asked.append(rows)
        wrong = SnapshotInvalid(directory / "vectors.faiss", "row 5 holds another vector than its text's")
        return RowCheck(100, 90, 80, [wrong], ["10 are not there"])

    monkeypatch.setattr("akin.indexing.verify.verify_snapshot", lambda _: [])
    monkeypatch.setattr("akin.indexing.verify.check_rows", checked)
    for rows in ("all", "7"):
        with pytest.raises(typer.Exit) as ended:
            index_maintenance.verify(name, rows=rows, json=True)
        assert ended.value.exit_code == 6
        told = capsys.readouterr()
        assert json.loads(told.out)["rows"] == {"all": 100, "texts": 90, "vectors": 80}
        assert json.loads(told.out)["damage"][0]["reason"].startswith("row 5")
        assert "of 100 rows, 90 were compared" in " ".join(told.err.split())
        assert "10 are not there" in " ".join(told.err.split())
    assert asked == [None, 7]
    for nonsense in ("0", "-1", "many", "1.5"):
        with pytest.raises(PapersUnusable, match="--rows"):
            index_maintenance.verify(name, rows=nonsense)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, (False, 1.0)), ({"complete": True}, (True, 0.05)), ({"complete": True, "allow_shrink": True}, (True, 1.0))],
)
def test_a_complete_update_may_lack_a_twentieth(
    data: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, bool], expected: tuple[bool, float]
) -> None:
    SnapshotDirectory(data).use(published_manifest(data, "one", ENCODER).id)
    (data / "all.jsonl").write_text('{"id": "1", "title": "A", "abstract": "B", "versions": []}\n')
    asked: list[tuple[bool, float]] = []

    def updated(source: ChangedPapers, *_: Any, **__: Any) -> None:
        asked.append((source.complete, source.may_lack))
        raise InterruptedError

    monkeypatch.setattr(snapshots, "update_snapshot", updated)
    monkeypatch.setattr(snapshots, "run_with_encoder", lambda _, work, **__: work(None, None))
    with pytest.raises(PapersUnusable):
        index_maintenance.update(str(data / "all.jsonl"), **options)
    assert asked == [expected]


@contextmanager
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_expected_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published_manifest(data, "one", ENCODER)
    monkeypatch.setattr(snapshots, "verify_snapshot", lambda _: [])
    with full_disk(), pytest.raises(PapersUnusable, match="cannot write to the data folder: File too large"):
        index.use("one")
    assert SnapshotDirectory(data).current() is None
    (data / "rejects").write_text("is no folder")
    with pytest.raises(PapersUnusable, match=r"cannot write .*rejects: File exists"):
        snapshots.rejects_path(Settings.read(), "papers.jsonl")


def test_a_data_folder_that_cannot_be_written_is_an_expected_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    papers = data / "papers.jsonl"
    papers.write_text('{"id": "1", "title": "Kites", "abstract": "About kites."}\n')
    (data / "rejects" / "papers.jsonl.jsonl" / "folder").mkdir(parents=True)
    with pytest.raises(PapersUnusable, match=r"cannot write .*rejects/papers\.jsonl\.jsonl: .*AKIN_DATA moves it"):
        index.build_index(Settings.read(), str(papers))


def test_tables_that_programs_read_have_whole_lines(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "20261127T213223Z-496b5c" + "x" * 100
    published_manifest(data, name, ENCODER)
    index.list_snapshots()
    assert name in capsys.readouterr().out


def test_a_build_ends_with_the_place_to_look(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index.say_where(Settings.read(), "map", "the map")
    assert capsys.readouterr().err == "the map is started with: akin up\n"


@pytest.mark.parametrize("subset", [None, "physics:hep-th"])
def test_an_update_harvests_the_set_of_the_index(
    data: Path, monkeypatch: pytest.MonkeyPatch, subset: str | None
) -> None:
    SnapshotDirectory(data).use(published_manifest(data, "one", ENCODER, harvested="2026-01-31", subset=subset).id)
    asked: dict[str, Any] = {}

    class Enough(Exception):
        pass

    def harvest(folder: Path, since: str, **more: Any) -> None:
        asked.update(more, since=since)
        raise Enough

    monkeypatch.setattr(papers_commands, "run_harvest", harvest)
    with pytest.raises(Enough):
        index_maintenance.update("oai")
    assert (asked["since"], asked["subset"], asked["url"]) == ("2026-01-31", subset, ARXIV)


def test_an_update_harvests_the_repository_of_the_index(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"harvested": "2026-01-31", "repository": "https://mirror.example/oai"}
    SnapshotDirectory(data).use(published_manifest(data, "one", ENCODER, **more).id)
    asked: list[str] = []

    def harvest(folder: Path, since: str, *, url: str, **_: Any) -> None:
        asked.append(url)
        raise InterruptedError

    monkeypatch.setattr(papers_commands, "run_harvest", harvest)
    for given in (None, "https://other.example/oai"):
        with pytest.raises(InterruptedError):
            index_maintenance.update("oai", url=given)
    assert asked == ["https://mirror.example/oai", "https://other.example/oai"]


def test_a_snapshot_is_not_whole_if_no_vector_was_compared(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = published_manifest(data, "one", ENCODER).id
    monkeypatch.setattr("akin.indexing.verify.verify_snapshot", lambda _: [])
    monkeypatch.setattr(
        "akin.indexing.verify.check_rows", lambda *_, **__: RowCheck(9, 9, 0, [], ["the folder is missing"])
    )
    with pytest.raises(typer.Exit) as ended:
        index_maintenance.verify(name, recall=False, json=True)
    assert ended.value.exit_code == 6
    told = capsys.readouterr()
    assert json.loads(told.out)["rows"] == {"all": 9, "texts": 9, "vectors": 0}
    assert "cannot be called whole" in " ".join(told.err.split())


def test_without_a_source_an_update_converts_the_live_snapshot(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = published_manifest(data, "one", ENCODER)
    SnapshotDirectory(data).use(old.id)
    new = msgspec.structs.replace(old, id="two", embedded=2)
    live: list[str] = []
    monkeypatch.setattr(snapshots, "run_with_encoder", lambda *_, **__: new)
    monkeypatch.setattr(snapshots, "make_live", lambda _, name, __: live.append(name))
    index_maintenance.update(json=True)
    assert live == ["two"]
    assert json.loads(capsys.readouterr().out)["id"] == "two"


def test_a_snapshot_of_the_present_rules_is_not_converted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = {"analysis_version": ANALYSIS_VERSION, "passage_text_version": PASSAGE_TEXT_VERSION}
    path = SnapshotDirectory(data).path(published_manifest(data, "one", ENCODER).id) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | rules))
    SnapshotDirectory(data).use("one")
    index_maintenance.update()
    assert "nothing to convert" in capsys.readouterr().err


def test_options_of_an_update_need_a_source(data: Path) -> None:
    with pytest.raises(PapersUnusable, match="give a SOURCE"):
        index_maintenance.update(complete=True)
