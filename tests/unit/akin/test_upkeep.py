"""What the commands that keep an index up ask of others, without those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from akin.cli import index, upkeep
from akin.errors import SourceError
from retrieval_service.snapshot import Shelf
from retrieval_service.snapshot.manifest import EncoderRecord, FileRecord
from tests.unit.published import published_manifest

ENCODER = EncoderRecord(1, "a" * 64, 384)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    return tmp_path


def test_a_damaged_snapshot_does_not_become_the_live_one(data: Path) -> None:
    files = {name: FileRecord("0" * 64, 3) for name in ("catalogue.sqlite", "vectors.faiss")}
    Shelf(data).use(published_manifest(data, "one", ENCODER).id)
    two = published_manifest(data, "two", ENCODER, files=files).id
    for name in files:
        (Shelf(data).path(two) / name).write_bytes(b"bad")
    with pytest.raises(SourceError, match=r"sqlite: is damaged"):
        index.use(two)
    assert Shelf(data).current() == "one"


@pytest.mark.parametrize("subset", [None, "physics:hep-th"])
def test_an_update_harvests_the_set_that_the_index_is_of(
    data: Path, monkeypatch: pytest.MonkeyPatch, subset: str | None
) -> None:
    Shelf(data).use(published_manifest(data, "one", ENCODER, harvested="2026-01-31", subset=subset).id)
    asked: dict[str, Any] = {}

    class Enough(Exception):
        pass

    def harvest(folder: Path, since: str, **more: Any) -> None:
        asked.update(more, since=since)
        raise Enough

    monkeypatch.setattr(upkeep, "run_harvest", harvest)
    with pytest.raises(Enough):
        upkeep.update("oai")
    assert (asked["since"], asked["subset"]) == ("2026-01-31", subset)
