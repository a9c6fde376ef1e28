"""Test the change of encoders when a snapshot goes live, without Triton."""

from __future__ import annotations

from typing import Any

import pytest

from akin.registry import switch
from akin.registry.versions import Version
from akin.stack.lifecycle import Stack
from akin.stack_settings import Settings
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.errors import SnapshotNotFound
from tests.unit.published import published_manifest


@pytest.fixture
def snapshot(settings: Settings) -> str:
    return published_manifest(settings.data, "20260101T000000Z-aaaaaa", EncoderRecord(2, "b" * 64, 384)).id


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, snapshot: str) -> list[list[int]]:
    """Fake a stack that serves encoders 1 and 2, with 2 promoted; return the list of changes to it."""
    told: list[list[int]] = []
    stack = Stack([], [1, 2], "http://service", "http://page", "triton", "http://triton", complete=True)
    answers: dict[str, Any] = {"snapshot": {"id": snapshot}, "encoder": {"version": 2}}
    monkeypatch.setattr(switch, "find_running_stack", lambda _: stack)
    monkeypatch.setattr(switch, "components", lambda _: answers)
    monkeypatch.setattr(switch, "promoted_version", lambda _: Version(2, True, {}))
    monkeypatch.setattr(switch, "set_served_versions", lambda settings, stack, numbers: told.append(numbers))
    return told


def test_encoders_are_unloaded_after_their_last_snapshot(
    settings: Settings, snapshot: str, served: list[list[int]]
) -> None:
    switch.make_live(settings, snapshot, lambda _: None)
    assert SnapshotDirectory(settings.data).current() == snapshot
    assert served == [[2]]


def test_a_missing_snapshot_leaves_the_encoders_loaded(settings: Settings, served: list[list[int]]) -> None:
    with pytest.raises(SnapshotNotFound):
        switch.make_live(settings, "20260101T000000Z-bbbbbb", lambda _: None)
    assert served == []
