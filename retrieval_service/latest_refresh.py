"""Record how the last refresh of the index went, which a job outside of the service makes; export it as metrics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from akin.storage.locks import is_held
from akin.storage.records import read_struct, write_struct
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import read_manifest
from retrieval_service.errors import RetrievalError

FOLDER, RECORD, LOCK = "refresh", "latest.json", "lock"


class RefreshRecord(msgspec.Struct, frozen=True, kw_only=True):
    """State of the last refresh.

    Attributes:
        started: Its start.
        step: The step that it is in, or was in when it ended.
        outcome: `running`, `updated`, `unchanged` or `failed`.
        ended: Its end; None while it runs, and after a kill.
        succeeded: End of the last refresh that did not fail.
        error: Reason of the failure.
        snapshot: Id of the snapshot that it made or kept.
        added: Papers that were added.
        replaced: Papers that were replaced.
        withdrawn: Papers that were withdrawn.
    """

    started: datetime
    step: str
    outcome: str = "running"
    ended: datetime | None = None
    succeeded: datetime | None = None
    error: str = ""
    snapshot: str | None = None
    added: int = 0
    replaced: int = 0
    withdrawn: int = 0


def read_record(data: Path) -> RefreshRecord | None:
    """Return the record in a data folder; None without a readable one."""
    return read_struct(data / FOLDER / RECORD, RefreshRecord)


def write_record(data: Path, record: RefreshRecord) -> None:
    """Replace the record in a data folder.

    Raises:
        OSError: It cannot be written.
    """
    write_struct(data / FOLDER / RECORD, record)


class LatestRefresh(Collector):
    """Metrics of the last refresh; they have no value if there was none."""

    def __init__(self, data: Path) -> None:
        """Take the data folder, which need not exist."""
        self._data = data

    def collect(self) -> Iterable[Metric]:
        """Return the gauges. A refresh that was killed has failed: nobody holds its lock."""
        failed = GaugeMetricFamily("akin_refresh_failed", "1 if the last refresh of the index failed or was killed.")
        running = GaugeMetricFamily("akin_refresh_running", "1 while a refresh runs.")
        succeeded = GaugeMetricFamily("akin_refresh_success_timestamp_seconds", "End of the last good refresh.")
        seconds = GaugeMetricFamily("akin_refresh_seconds", "Time that the last refresh took.")
        harvested = GaugeMetricFamily(
            "akin_snapshot_harvested_timestamp_seconds", "Day up to which the live snapshot has the source's changes."
        )
        record = read_record(self._data)
        if record is not None:
            runs = record.outcome == "running" and is_held(self._data / FOLDER / LOCK)
            failed.add_metric([], float(record.outcome == "failed" or (record.outcome == "running" and not runs)))
            running.add_metric([], float(runs))
            if record.succeeded is not None:
                succeeded.add_metric([], record.succeeded.timestamp())
            if record.ended is not None:
                seconds.add_metric([], (record.ended - record.started).total_seconds())
        if (day := self._harvested()) is not None:
            harvested.add_metric([], day.timestamp())
        return [failed, running, succeeded, seconds, harvested]

    def _harvested(self) -> datetime | None:
        snapshots = SnapshotDirectory(self._data)
        try:
            live = snapshots.current()
            day = read_manifest(snapshots.path(live)).harvested if live else None
            return datetime.fromisoformat(day).replace(tzinfo=UTC) if day else None
        except (RetrievalError, OSError, ValueError):
            return None
