"""The newest report of drift, which a job outside of the service makes: as an answer, and as metrics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

FILE = "report.json"


class _Test(msgspec.Struct):
    p: float


class _Feature(msgspec.Struct):
    name: str
    psi: float | None = None


class _Window(msgspec.Struct):
    queries: int
    mean_tokens: float | None = None
    mean_top_score: float | None = None
    mean_unknown: float | None = None


class _Report(msgspec.Struct):
    created: str
    drift: bool
    current: _Window
    mmd: _Test | None = None
    classifier: _Test | None = None
    features: list[_Feature] = []


class LatestDrift(Collector):
    """The newest report in a folder; it is read again when its file has changed."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which need not exist."""
        self._path = folder / FILE
        self._stamp: tuple[int, int] | None = None
        self._content = b""
        self._report: _Report | None = None

    def content(self) -> bytes | None:
        """Return the report as it was written; None if there is none, or none that can be read."""
        return self._content if self._read() else None

    def collect(self) -> Iterable[Metric]:
        """Return the gauges of the report; they have no value without one."""
        report = self._read()
        found = GaugeMetricFamily("akin_drift_detected", "1 if the newest report found drift.")
        created = GaugeMetricFamily("akin_drift_report_timestamp_seconds", "Moment of the newest report of drift.")
        tests = GaugeMetricFamily("akin_drift_p_value", "p of a test of the queries' vectors.", labels=["test"])
        shifts = GaugeMetricFamily("akin_drift_psi", "Population stability index of a feature.", labels=["feature"])
        means = GaugeMetricFamily("akin_drift_window_mean", "Mean of a feature of the window.", labels=["feature"])
        queries = GaugeMetricFamily("akin_drift_window_queries", "Queries of the window in question.")
        if report is not None:
            found.add_metric([], float(report.drift))
            created.add_metric([], datetime.fromisoformat(report.created).timestamp())
            queries.add_metric([], report.current.queries)
            for name, test in (("mmd", report.mmd), ("classifier", report.classifier)):
                if test is not None:
                    tests.add_metric([name], test.p)
            for each in report.features:
                if each.psi is not None:
                    shifts.add_metric([each.name.replace(" ", "_")], each.psi)
            for name in ("tokens", "top_score", "unknown"):
                value: Any = getattr(report.current, f"mean_{name}")
                if value is not None:
                    means.add_metric([name], value)
        return [found, created, tests, shifts, means, queries]

    def _read(self) -> _Report | None:
        try:
            state = self._path.stat()
            stamp = state.st_mtime_ns, state.st_ino
            if stamp != self._stamp:
                content = self._path.read_bytes()
                report = msgspec.json.decode(content, type=_Report)
                datetime.fromisoformat(report.created)
                self._stamp, self._content, self._report = stamp, content, report
        except (OSError, ValueError):  # a ValidationError of msgspec is a ValueError
            self._stamp = self._report = None
        return self._report
