"""The record of the last build, and the metrics that operators are alerted by."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrieval_service.corpus.last_build import last_build_failed, record_build
from retrieval_service.corpus.manifest import EncoderRecord
from retrieval_service.metrics import Metrics
from tests.unit.published import published_manifest


def value(metrics: Metrics, name: str) -> float:
    found = metrics.registry.get_sample_value(name)
    assert found is not None
    return found


def failing_build(data: Path) -> None:
    with pytest.raises(ValueError, match="bad"), record_build(data):
        raise ValueError("bad")


def test_only_an_error_makes_a_build_a_failed_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert not last_build_failed(data)
    failing_build(data)
    assert last_build_failed(data)
    with record_build(data):
        assert not last_build_failed(data)
    assert not last_build_failed(data)
    with pytest.raises(KeyboardInterrupt), record_build(data):
        raise KeyboardInterrupt
    assert not last_build_failed(data)


def test_a_build_that_was_killed_has_failed(tmp_path: Path) -> None:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        with record_build(tmp_path):
            os.write(write, b".")
            signal.pause()
    os.read(read, 1)
    assert not last_build_failed(tmp_path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert last_build_failed(tmp_path)


def test_a_second_build_beside_one_changes_nothing(tmp_path: Path) -> None:
    with record_build(tmp_path):
        failing_build(tmp_path)
        assert not last_build_failed(tmp_path)
    assert not last_build_failed(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"something else"])
def test_a_record_of_other_content_is_no_failure(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last-build").write_bytes(content)
    assert not last_build_failed(tmp_path)


def test_metrics_tell_of_builds_and_of_the_disk(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.watch_data(tmp_path)
    assert value(metrics, "akin_build_failed") == 0
    assert 0 < value(metrics, "akin_disk_free_bytes") < value(metrics, "akin_disk_size_bytes")
    failing_build(tmp_path)
    assert value(metrics, "akin_build_failed") == 1
    metrics.watch_data(tmp_path / "missing")
    assert b"akin_disk_free_bytes NaN" in metrics.text()


def test_metrics_tell_when_the_live_snapshot_was_made(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.record_snapshot(published_manifest(tmp_path, "first", EncoderRecord(1, "a" * 64, 2)))
    made = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert value(metrics, "akin_snapshot_created_timestamp_seconds") == made
