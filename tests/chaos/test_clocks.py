"""Set the clock to another day: nothing that waits, expires or is ordered depends on it."""

from __future__ import annotations

import ast
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from akin.storage.locks import hold_lock
from retrieval_service.corpus import SnapshotDirectory, directory
from retrieval_service.deadline import deadline, seconds_left

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)

WALL_CLOCK = {
    "akin/cli/keys.py": "shows when keys expire",
    "akin/stack/supervisor/keeper.py": "shows since when a part is in its state",
    "retrieval_service/corpus/directory.py": "compares with the time of a file",
    "retrieval_service/latest_look.py": "stands in for the time of a file while a look goes on",
}
"""Modules that read `time.time`, and what for. Whoever waits reads `time.monotonic`."""


def test_only_named_modules_read_the_clock_of_the_wall() -> None:
    found = set()
    for room in ("akin", "retrieval_service", "gradio_ui", "client/akin_client", "model_repository"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.time", "time.time_ns"):
                    found.add(str(path.relative_to(ROOT)))
                if isinstance(node, ast.ImportFrom) and node.module == "time":
                    assert "time" not in {name.name for name in node.names}, path
    assert found == set(WALL_CLOCK)


@pytest.mark.parametrize("jump", [-DAY, DAY, -365 * DAY])
def test_ids_of_snapshots_are_in_the_order_of_their_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    now = [datetime(2026, 6, 1, tzinfo=UTC)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return now[0]

    monkeypatch.setattr(directory, "datetime", Clock)
    snapshots, ids = SnapshotDirectory(tmp_path), []
    for _ in range(3):
        with snapshots.new_build() as building:
            ids.append(snapshots.publish(building).name)
        now[0] += jump
    with snapshots.new_build() as building:
        ids.append(snapshots.publish(building).name)
    assert len(set(ids)) == 4
    assert snapshots.ids() == ids[::-1]


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_who_waits_does_not_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: timedelta) -> None:
    shown = time.time
    with deadline(time.monotonic() + 60.0), hold_lock(tmp_path / "lock", 0.0, TimeoutError("held")):
        monkeypatch.setattr(time, "time", lambda: shown() + jump.total_seconds())
        assert 30 < seconds_left() <= 60
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="held"), hold_lock(tmp_path / "lock", 0.1, TimeoutError("held")):
            pass
        assert 0.1 <= time.monotonic() - began < 30
