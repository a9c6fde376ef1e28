"""Record what this machine has taken of a fleet's channel, and how its last look at it went; export it as metrics."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from akin.storage.locks import is_held
from akin.storage.records import read_struct, write_struct

RECORD, LOCK = "fleet.json", "fleet.lock"


class FleetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """State of a machine that follows a channel; the time of its file is that of the last look.

    Attributes:
        edition: Digest of the edition that it took last.
        channel: The channel.
        taken: Moment at which the service served it.
        fetched: Numbers of the encoder's versions here that the follower fetched.
        error: Reason why the last look failed; empty if it did not.
    """

    edition: str
    channel: str
    taken: datetime
    fetched: tuple[int, ...] = ()
    error: str = ""


def read_record(data: Path) -> FleetRecord | None:
    """Return the record in a data folder; None without a readable one."""
    return read_struct(data / RECORD, FleetRecord)


def write_record(data: Path, record: FleetRecord) -> None:
    """Replace the record in a data folder, or only its time if nothing else is new.

    Raises:
        OSError: It cannot be written.
    """
    if record == read_record(data):
        os.utime(data / RECORD)
    else:
        write_struct(data / RECORD, record)


class LatestLook(Collector):
    """Metrics of the last look at the channel; they have no value on a machine that has taken no edition."""

    def __init__(self, data: Path) -> None:
        """Take the data folder, which need not exist."""
        self._data = data

    def collect(self) -> Iterable[Metric]:
        """Return the gauges. While an edition is fetched, which may take hours, the machine is looking."""
        failed = GaugeMetricFamily("akin_fleet_failed", "1 if the last look at the fleet's channel failed.")
        looked = GaugeMetricFamily("akin_fleet_look_timestamp_seconds", "Last look at the fleet's channel.")
        if (record := read_record(self._data)) is not None:
            failed.add_metric([], float(bool(record.error)))
            looked.add_metric([], time.time() if is_held(self._data / LOCK) else (self._data / RECORD).stat().st_mtime)
        return [failed, looked]
