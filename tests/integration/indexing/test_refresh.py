"""Refresh an index from an OAI server: new papers become searchable; a failure leaves the snapshot before it live."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from akin import refresh as refreshing
from akin import snapshots
from akin.cli import refresh as command
from akin.errors import PapersUnusable
from akin.indexing.build import build_snapshot
from akin.indexing.verify import Verification
from akin.papers import PapersError
from akin.papers.remote import Harvest
from akin.storage.locks import hold_lock
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.latest_refresh import FOLDER, LOCK, LatestRefresh, RefreshRecord, read_record, write_record
from retrieval_service.metrics import Metrics
from tests.integration.papers.conftest import Server, send
from tests.integration.papers.test_harvest import page, record, refusal
from tests.integration.snapshots import opened


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a repository that has five changes."""
    server = Server()
    records = "".join(record(number) for number in (1, 2, 4, 5)) + record(3, deleted=True)
    server.usual = lambda request: send(request, 200, page(records))
    yield server
    server.stop()


@pytest.fixture
def data(tmp_path: Path, server: Server, kit: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder with a live snapshot that was harvested from the server."""
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    encoder = kit.Encoder()
    done = Harvest("first.jsonl", f"{server.url}/oai", None, None, "2026-01-01", 1, 0, 0, "0" * 64)
    asyncio.run(build_snapshot(kit.papers(30), encoder, tmp_path, source_name="first.jsonl", harvest=done))

    def run(_: Any, work: Any, **__: Any) -> Any:
        return asyncio.run(work(encoder, lambda *_, **__: None))

    monkeypatch.setattr(snapshots, "run_with_encoder", run)
    return tmp_path


def metrics_of(data: Path) -> dict[str, float]:
    metrics = Metrics()
    metrics.export(LatestRefresh(data))
    return {
        name: float(value)
        for name, value in re.findall(r"^(akin_refresh\w+|akin_snapshot_harv\w+) (\S+)$", metrics.text().decode(), re.M)
    }


def test_new_papers_become_searchable_and_old_snapshots_go(data: Path, server: Server) -> None:
    before = SnapshotDirectory(data).current()
    assert metrics_of(data) == {"akin_snapshot_harvested_timestamp_seconds": 1767225600.0}
    command.refresh(pause=0.0, keep=1)
    live = SnapshotDirectory(data).current()
    assert live != before
    assert SnapshotDirectory(data).ids() == [live]
    (manifest,) = SnapshotDirectory(data).manifests()
    assert manifest.papers == 34
    with closing(opened(data, manifest)) as snapshot:
        assert snapshot.lexical.search("number", 10).rows.size == 4
    assert "from=2026-01-01" in server.asked[0]
    done = read_record(data)
    assert done is not None
    assert (done.outcome, done.step, done.added, done.snapshot) == ("updated", "end", 4, live)
    found = metrics_of(data)
    assert found["akin_refresh_failed"] == found["akin_refresh_running"] == 0
    assert found["akin_refresh_success_timestamp_seconds"] == done.succeeded.timestamp()  # type: ignore[union-attr]
    assert found["akin_snapshot_harvested_timestamp_seconds"] > 1767225600


def test_nothing_new_is_a_success(data: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.usual = lambda request: send(request, 200, refusal("noRecordsMatch"))
    before = SnapshotDirectory(data).current()
    command.refresh(pause=0.0, json=True)
    assert json.loads(capsys.readouterr().out)["outcome"] == "unchanged"
    assert SnapshotDirectory(data).current() == before
    assert metrics_of(data)["akin_refresh_success_timestamp_seconds"] > 0


def test_a_source_that_fails_is_recorded_and_leaves_the_snapshot(data: Path, server: Server) -> None:
    before = SnapshotDirectory(data).current()
    command.refresh(pause=0.0)
    good = metrics_of(data)["akin_refresh_success_timestamp_seconds"]
    live = SnapshotDirectory(data).current()
    assert live != before
    server.usual = lambda request: send(request, 404)
    with pytest.raises(PapersError):
        command.refresh(pause=0.0)
    failed = read_record(data)
    assert failed is not None
    assert (failed.outcome, failed.step) == ("failed", "harvest")
    assert "404" in failed.error
    assert SnapshotDirectory(data).current() == live
    found = metrics_of(data)
    assert (found["akin_refresh_failed"], found["akin_refresh_success_timestamp_seconds"]) == (1, good)


@pytest.mark.parametrize("fault", ["damage", "recall"])
def test_a_snapshot_that_is_not_good_never_becomes_live(
    data: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    before = SnapshotDirectory(data).current()
    if fault == "damage":
        wrong = SnapshotInvalid(data / "vectors.faiss", "row 5 holds another vector than its text's")
        monkeypatch.setattr(refreshing, "verify", lambda path, *_, **__: Verification(path.name, [wrong]))
    with pytest.raises(PapersUnusable, match="does not become live"):
        command.refresh(pause=0.0, recall=1.0 if fault == "damage" else 1.1)
    assert SnapshotDirectory(data).current() == before
    assert SnapshotDirectory(data).ids() == [before]
    failed = read_record(data)
    assert failed is not None
    assert (failed.outcome, failed.step) == ("failed", "verify")


def test_one_refresh_at_a_time(data: Path, server: Server) -> None:
    with hold_lock(data / FOLDER / LOCK, 0, RuntimeError()), pytest.raises(PapersUnusable, match="another refresh"):
        command.refresh(pause=0.0)
    assert read_record(data) is None
    assert server.asked == []


def test_a_killed_refresh_has_failed(data: Path) -> None:
    (data / FOLDER).mkdir()
    record_of_one = RefreshRecord(started=refreshing.datetime.now(refreshing.UTC), step="update")
    write_record(data, record_of_one)
    assert metrics_of(data)["akin_refresh_failed"] == 1
    with hold_lock(data / FOLDER / LOCK, 0, RuntimeError()):
        found = metrics_of(data)
    assert (found["akin_refresh_failed"], found["akin_refresh_running"]) == (0, 1)
    (data / FOLDER / "latest.json").write_bytes(b'{"started": 5')
    assert "akin_refresh_failed" not in metrics_of(data)


def test_a_data_folder_without_an_index_or_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path / "none"))
    with pytest.raises(PapersUnusable, match="akin index build"):
        command.refresh(pause=0.0)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("file", "loop"):
        monkeypatch.setenv("AKIN_DATA", str(tmp_path / name))
        with pytest.raises(PapersUnusable, match="AKIN_DATA moves it"):
            command.refresh(pause=0.0)


def test_refreshing_again_and_again_survives_failures(
    data: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt
        server.usual = lambda request: send(request, 200, refusal("noRecordsMatch"))

    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=sleep))
    server.usual = lambda request: send(request, 404)
    with pytest.raises(KeyboardInterrupt):
        command.refresh(pause=0.0, every=0.5)
    assert slept == [1800.0, 1800.0]
    said = capsys.readouterr().err
    assert said.index("not refreshed: ") < said.index("unchanged: ")
