from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from akin.keys import KeyFile, KeyRing
from tests.unit.clock import Clock
from tests.unit.keys.test_key_file import HOWS, damage


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_key_is_found_by_its_whole_text_only(file: KeyFile, clock: Clock) -> None:
    key, text = file.create("a", ["search"])
    ring = KeyRing(file, clock)
    assert ring.find(text) == key
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    nearly = (other, text[:-1], text + "A", text.upper(), f" {text}", key.id, key.digest)
    for wrong in ("", *nearly, "akin_", "ä" * 57, "\0"):
        assert ring.find(wrong) is None, wrong


def test_changes_are_followed_within_a_second_without_a_look_at_each_request(
    file: KeyFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = file.create("a", ["search"])
    ring = KeyRing(file, clock)
    looks: list[object] = []
    look, stat = os.stat, os.stat
    monkeypatch.setattr(os, "stat", lambda *args, **more: (looks.append(args), stat(*args, **more))[1])
    for _ in range(100):
        assert ring.find(text)
    assert looks == []
    monkeypatch.setattr(os, "stat", look)
    file.revoke("a")
    assert ring.find(text) is not None
    clock.now += 1
    assert ring.find(text) is None
    _, second = file.create("b", ["search"])
    clock.now += 1
    assert ring.find(second) is not None


def test_an_unchanged_file_is_read_once(file: KeyFile, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    _, text = file.create("a", ["search"])
    ring = KeyRing(file, clock)
    monkeypatch.setattr(KeyFile, "read", None)
    for _ in range(5):
        clock.now += 60
        assert ring.find(text)


def test_a_key_ends_by_the_time_of_day_also_when_that_is_set(file: KeyFile, clock: Clock) -> None:
    key, text = file.create("a", ["search"], days=1)
    assert key.expires is not None
    day = Clock(key.expires.timestamp() - 1)
    ring = KeyRing(file, clock, day)
    assert ring.find(text)
    day.now += 1
    assert ring.find(text) is None
    # A clock that was wrong for a moment takes no key away for good.
    day.now -= 10
    assert ring.find(text)


@pytest.mark.parametrize("how", HOWS)
def test_nobody_is_accepted_while_the_file_cannot_be_read(
    file: KeyFile, clock: Clock, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, text = file.create("a", ["search"])
    content = file.path.read_bytes()
    ring = KeyRing(file, clock)
    damage(file.path, how)
    clock.now += 1
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert ring.find(text) is None
            clock.now += 1
    assert ring.trouble is not None
    assert len(caplog.records) == 1
    assert str(file.path) in caplog.text
    assert text not in caplog.text
    if file.path.is_dir():
        file.path.rmdir()
    file.path.unlink(missing_ok=True)
    file.path.write_bytes(content)
    file.path.chmod(0o600)
    clock.now += 1
    assert ring.find(text)
    assert ring.trouble is None


def test_a_file_that_is_missing_at_the_start_is_taken_up_when_it_is_made(file: KeyFile, clock: Clock) -> None:
    ring = KeyRing(file, clock)
    assert ring.trouble is not None
    _, text = file.create("a", ["search"])
    clock.now += 1
    assert ring.find(text)


def test_both_keys_are_accepted_while_one_replaces_the_other(file: KeyFile, clock: Clock) -> None:
    _, first = file.create("a", ["search"])
    _, second = file.rotate("a", timedelta(hours=1))
    day = Clock(datetime.now(UTC).timestamp())
    ring = KeyRing(file, clock, day)
    assert ring.find(first)
    assert ring.find(second)
    day.now += 3601
    assert ring.find(first) is None
    assert ring.find(second)
