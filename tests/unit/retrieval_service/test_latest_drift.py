"""Test the newest report of drift on the operators' port, and its gauges."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.testclient import TestClient

from retrieval_service.metrics import Metrics
from retrieval_service.metrics_app import create_metrics_app
from retrieval_service.settings import Settings

REPORT = {
    "created": "2026-06-01T12:00:00Z",
    "drift": True,
    "current": {"queries": 70, "mean_tokens": 7.5, "mean_top_score": 0.5, "mean_unknown": None},
    "mmd": {"p": 0.002, "value": 0.1},
    "classifier": None,
    "features": [{"name": "top score", "psi": 0.3}, {"name": "words", "psi": None}],
    "reasons": ["…"],
}


def client(data: Path, metrics: Metrics) -> TestClient:
    return TestClient(create_metrics_app(Settings(data=data), metrics), base_url="http://127.0.0.1")


def test_without_a_report_there_is_an_answer_and_no_value(tmp_path: Path) -> None:
    metrics = Metrics()
    asked = client(tmp_path, metrics)
    answer = asked.get("/v1/drift")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_drift_report")
    assert "akin drift report" in answer.json()["error"]["message"]
    assert metrics.registry.get_sample_value("akin_drift_detected") is None
    assert b"akin_drift_detected" in asked.get("/metrics").content


def test_the_newest_report_is_answered_and_exported(tmp_path: Path) -> None:
    metrics = Metrics()
    asked = client(tmp_path, metrics)
    file = tmp_path / "drift" / "report.json"
    file.parent.mkdir()
    file.write_text(json.dumps(REPORT))
    for path in ("/v1/drift", "/drift"):
        answer = asked.get(path)
        assert answer.json() == REPORT
        assert answer.headers["content-type"] == "application/json"

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"akin_drift_{name}", labels)

    assert value("detected") == 1
    assert value("report_timestamp_seconds") == 1780315200
    assert value("p_value", test="mmd") == 0.002
    assert value("p_value", test="classifier") is None
    assert value("psi", feature="top_score") == 0.3
    assert value("window_mean", feature="tokens") == 7.5
    assert value("window_queries") == 70
    replacement = file.with_suffix(".new")
    replacement.write_text(json.dumps({**REPORT, "drift": False}))
    replacement.replace(file)
    assert value("detected") == 0


def test_a_broken_report_breaks_nothing(tmp_path: Path) -> None:
    metrics = Metrics()
    asked = client(tmp_path, metrics)
    file = tmp_path / "drift" / "report.json"
    file.parent.mkdir()
    for content in (b"", b"{", b"[]", b'{"created": "never", "drift": true, "current": {"queries": 1}}', b"\xff"):
        file.write_bytes(content)
        assert asked.get("/v1/drift").status_code == 404
        assert metrics.registry.get_sample_value("akin_drift_detected") is None
