"""The commands of `akin index` while the live snapshot is partial."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from akin import partial_snapshots
from akin.cli import index, index_maintenance
from akin.cli import papers as papers_commands
from akin.errors import PapersUnusable
from akin.live_snapshot import LiveSnapshot
from akin.papers import PASSAGE_TEXT_VERSION
from akin.snapshots import find_current_manifest, step_to
from akin.stack_settings import Settings
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord
from tests.unit.published import published_manifest

ENCODER = EncoderRecord(1, "a" * 64, 384)


@pytest.fixture
def partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Publish a partial snapshot and make it live."""
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    name = published_manifest(tmp_path, "one", ENCODER, papers=2000, with_vectors=1100).id
    SnapshotDirectory(tmp_path).use(name)
    return name


@pytest.mark.parametrize(
    ("given", "shares"), [("auto", None), ("none", ()), ("1,5,20", (0.01, 0.05, 0.2)), (" 12.5 ", (0.125,))]
)
def test_steps_are_percentages(given: str, shares: tuple[float, ...] | None) -> None:
    assert index.parse_steps(given) == shares


@pytest.mark.parametrize("given", ["", "0", "100", "-5", "1,", "some", "1;5", "nan", "inf"])
def test_other_steps_are_refused_before_anything_is_read(given: str) -> None:
    with pytest.raises(PapersUnusable, match="--steps"):
        index.build("no-such-file", steps=given)


@pytest.mark.usefixtures("partial")
def test_the_list_and_the_description_say_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    index.list_snapshots()
    assert "one yes 2,000 1,100 pap" in " ".join(capsys.readouterr().out.split())
    index.info()
    told = capsys.readouterr().out
    assert "2,000 (1,100 with vectors) from papers.jsonl" in told
    assert "akin index update, without a source" in told
    index.list_snapshots(json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert found["with_vectors"] == 1100


@pytest.mark.parametrize("source", ["oai", "newer.jsonl"])
@pytest.mark.usefixtures("partial")
def test_an_update_is_refused_before_a_harvest(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers_commands, "run_harvest", lambda *_, **__: pytest.fail("harvested"))
    with pytest.raises(
        PapersUnusable, match=r"1,100 of 2,000 papers have vectors. Complete it first: akin index update"
    ):
        index_maintenance.update(source)


@pytest.mark.usefixtures("partial")
def test_tuning_is_refused_before_an_encoder_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("akin.snapshots.run_with_encoder", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(PapersUnusable, match="Complete it first"):
        index_maintenance.tune()


@pytest.mark.usefixtures("partial")
def test_a_build_that_is_needed_only_once_completes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.read()
    whole = published_manifest(settings.data, "two", ENCODER, passage_text_version=PASSAGE_TEXT_VERSION,
                               analysis_version=ANALYSIS_VERSION)  # fmt: skip
    monkeypatch.setattr("akin.registry.versions.promoted_version", lambda _: SimpleNamespace(digest=ENCODER.digest))
    monkeypatch.setattr(partial_snapshots, "complete_index", lambda *_, **__: whole)
    index.build("no-such-file", if_none=True, json=True)
    assert json.loads(capsys.readouterr().out)["id"] == "two"


def test_an_update_without_a_source_completes_it(
    partial: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    completed: list[Any] = []

    async def complete(*_: Any, options: Any, **__: Any) -> Any:
        completed.append((options.steps, options.use))
        settings = Settings.read()
        return published_manifest(settings.data, "two", ENCODER, papers=2000)

    def run(_: Settings, work: Any, **__: Any) -> Any:
        return asyncio.run(work(None, None))

    monkeypatch.setattr(partial_snapshots, "complete_snapshot", complete)
    monkeypatch.setattr(partial_snapshots, "run_with_encoder", run)
    index_maintenance.update(json=True)
    assert completed == [(None, False)]
    told = capsys.readouterr()
    assert json.loads(told.out)["id"] == "two"
    snapshots = SnapshotDirectory(Settings.read().data)
    # The partial one is removed.
    assert (snapshots.current(), snapshots.ids()) == ("two", ["two"])
    assert "1,100 of 2,000 papers" in " ".join(told.err.split())
    assert partial == "one"


@pytest.mark.parametrize("changed_after_a_step", [False, True])
@pytest.mark.usefixtures("partial")
def test_a_completion_leaves_a_snapshot_live_that_was_chosen_meanwhile(
    changed_after_a_step: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshots = SnapshotDirectory(Settings.read().data)
    published_manifest(Settings.read().data, "chosen", ENCODER)

    async def complete(*_: Any, go_live: Any, **__: Any) -> Any:
        data = Settings.read().data
        if changed_after_a_step:
            go_live(published_manifest(data, "step", ENCODER, papers=2000, with_vectors=1500))
        snapshots.use("chosen")
        return published_manifest(data, "whole", ENCODER, papers=2000)

    monkeypatch.setattr(partial_snapshots, "complete_snapshot", complete)
    monkeypatch.setattr(partial_snapshots, "run_with_encoder", lambda _, work, **__: asyncio.run(work(None, None)))
    index_maintenance.update(json=True)
    told = capsys.readouterr()
    assert json.loads(told.out)["live"] is False
    assert (snapshots.current(), set(snapshots.ids())) == ("chosen", {"chosen", "whole"})
    assert "chosen was made live meanwhile" in " ".join(told.err.split())
    assert "akin index use whole" in " ".join(told.err.split())


def test_the_steps_of_a_build_do_not_replace_a_snapshot_that_was_chosen_meanwhile(tmp_path: Path) -> None:
    settings, said = Settings.read({"AKIN_DATA": str(tmp_path)}), list[str]()
    snapshots = SnapshotDirectory(tmp_path)
    live = LiveSnapshot(settings, said.append)
    assert live.replace(published_manifest(tmp_path, "step", ENCODER, papers=2000, with_vectors=1000))
    published_manifest(tmp_path, "chosen", ENCODER)
    snapshots.use("chosen")
    assert not live.replace(published_manifest(tmp_path, "next", ENCODER, papers=2000, with_vectors=1500))
    assert said == []
    assert not live.replace(published_manifest(tmp_path, "whole", ENCODER, papers=2000))
    assert snapshots.current() == "chosen"
    assert said == ["chosen was made live meanwhile, and stays live; to search the new one: akin index use whole"]


def test_a_completion_goes_live_after_its_own_steps(
    partial: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def complete(*_: Any, go_live: Any, **__: Any) -> Any:
        data = Settings.read().data
        go_live(published_manifest(data, "step", ENCODER, papers=2000, with_vectors=1500))
        return published_manifest(data, "whole", ENCODER, papers=2000)

    carried: list[tuple[str, str]] = []
    keep_map = lambda _, before, after, say: carried.append((before.id, after.id))  # noqa: E731
    monkeypatch.setattr(partial_snapshots, "keep_map", keep_map)
    monkeypatch.setattr(partial_snapshots, "complete_snapshot", complete)
    monkeypatch.setattr(partial_snapshots, "run_with_encoder", lambda _, work, **__: asyncio.run(work(None, None)))
    index_maintenance.update(json=True)
    assert json.loads(capsys.readouterr().out)["live"] is True
    assert carried == [("one", "whole")]
    assert SnapshotDirectory(Settings.read().data).current() == "whole"
    assert partial == "one"


def test_a_partial_snapshot_is_not_one_to_leave_as_it_is(partial: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.read()
    monkeypatch.setattr("akin.registry.versions.promoted_version", lambda _: SimpleNamespace(digest=ENCODER.digest))
    monkeypatch.setattr("akin.snapshots.ANALYSIS_VERSION", 1)
    assert find_current_manifest(settings, "papers.jsonl") is None
    published_manifest(settings.data, "whole", ENCODER)
    SnapshotDirectory(settings.data).use("whole")
    assert find_current_manifest(settings, "papers.jsonl") is not None


def test_each_step_says_what_can_be_searched(partial: str) -> None:
    settings, said = Settings.read(), list[str]()
    snapshots = SnapshotDirectory(settings.data)
    first = published_manifest(settings.data, "first", ENCODER, papers=2000, with_vectors=0)
    step_to(LiveSnapshot(settings, said.append), said.append)(first)
    assert snapshots.current() == "first"
    step_to(LiveSnapshot(settings, said.append), said.append)(snapshots.manifests()[0])
    assert said == [
        "searchable by words now: 2,000 papers, after 0 s; vectors follow (if interrupted: akin index update)",
        "searchable by words now: 2,000 papers, 1,100 of them by meaning too, after 0 s; more vectors follow",
    ]
    assert snapshots.current() == partial
