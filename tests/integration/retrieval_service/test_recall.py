"""Measure recall of a running service: of a good index, of a bad one for which the alert fires, of an exact one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from akin.stack_settings import ROOT
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.recall.sampler import WAITING
from tests.integration.generated import words
from tests.integration.service import client_of
from tests.integration.snapshots import tune
from tests.servers import within

QUERIES = [" ".join(words(seed, 4)) for seed in range(2, 50)]


@pytest.fixture(scope="module")
def approximate(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a corpus whose index has inverted lists."""
    from tests.integration import generated

    data = tmp_path_factory.mktemp("approximate")
    _, encoder, _ = generated.built(data, 1500)
    tune(encoder, data, "IVF64,SQ8", recall=0.95, use=True)
    return data, encoder


def with_nprobe(data: Path, to: Path, nprobe: int) -> Path:
    """Copy a corpus, and change how many lists a search of it reads."""
    shutil.copytree(data, to)
    live = SnapshotDirectory(to).current()
    manifest = to / "snapshots" / str(live) / "manifest.json"
    content = json.loads(manifest.read_bytes())
    assert content["index"]["nlist"] == 64
    content["index"]["nprobe"] = nprobe
    manifest.write_text(json.dumps(content))
    return to


def gauges(client: Any) -> dict[str, float]:
    text = client.app.state.metrics.text().decode()
    found = re.findall(r"^(akin_recall\w*)(?:\{bound=\"(\w+)\"\})? (\S+)$", text, re.MULTILINE)
    return {bound or name: float(value) for name, bound, value in found}


def measured(data: Path, encoder: Any, queries: list[str]) -> dict[str, float]:
    with client_of(data, encoder, watch_seconds=0.05, recall_share=0.5) as client:
        deadline = time.monotonic() + 100
        for start in range(0, len(queries), WAITING // 2):
            some = queries[start : start + WAITING // 2]
            for query in some:
                assert client.post("/search", json={"query": query, "mode": "dense"}).status_code == 200
            while gauges(client)["akin_recall_compared_total"] < start + len(some):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        time.sleep(0.1)
        return gauges(client)


def test_a_good_index_and_a_bad_one_for_which_the_alert_fires(approximate: Any, tmp_path: Path) -> None:
    data, encoder = approximate
    good = measured(with_nprobe(data, tmp_path / "good", 64), encoder, QUERIES)
    assert good["lower"] < good["estimate"] <= good["upper"] <= 1
    assert good["estimate"] > 0.98
    bad = measured(with_nprobe(data, tmp_path / "bad", 1), encoder, QUERIES)
    assert bad["estimate"] < good["estimate"] - 0.2
    assert bad["upper"] < 0.9
    assert bad["akin_recall_queries"] == bad["akin_recall_compared_total"] == len(QUERIES)
    assert 0 < bad["akin_recall_cpu_seconds_total"] < 30
    assert bad["akin_recall_target"] == pytest.approx(0.95)
    if shutil.which("promtool") is None:
        pytest.skip("there is no promtool on this machine: install Debian's package `prometheus`")
    series = [
        {"series": f'akin_recall_at_10{{bound="upper", instance="{name}"}}', "values": f"{found['upper']}x40"}
        for name, found in (("good", good), ("bad", bad))
    ] + [
        {"series": f'akin_recall_queries{{instance="{name}"}}', "values": f"{len(QUERIES)}x40"}
        for name in ("good", "bad")
    ]
    summary = f"The vector index finds at most {bad['upper'] * 100:.4g}% of the ten nearest papers."
    fired = {
        "exp_labels": {"severity": "ticket", "bound": "upper", "instance": "bad"},
        "exp_annotations": {"summary": summary, "runbook_url": "docs/runbook.md#akinrecallislow"},
    }
    played = {
        "rule_files": [str(ROOT / "deploy" / "monitoring" / "alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [{"eval_time": "30m", "alertname": "AkinRecallIsLow", "exp_alerts": [fired]}],
            }
        ],
    }
    (tmp_path / "played.yml").write_text(yaml.safe_dump(played))
    command = ["promtool", "test", "rules", "played.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_exact_index_says_so_and_is_not_compared(
    corpus: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with (
        caplog.at_level("INFO", logger="retrieval_service.recall"),
        client_of(corpus.data, corpus.encoder, watch_seconds=0.05, recall_share=0.5) as client,
    ):
        client.post("/search", json={"query": QUERIES[0], "mode": "dense"})
        within(60, "the index is known as exact", lambda: bool(gauges(client)["akin_recall_index_exact"]))
        time.sleep(0.6)
        found = gauges(client)
    assert "is exact, and finds every nearest paper" in caplog.text
    assert found["akin_recall_compared_total"] == found["akin_recall_queries"] == 0
    assert "estimate" not in found


def test_nothing_runs_by_default(corpus: Any) -> None:
    with client_of(corpus.data, corpus.encoder, watch_seconds=0.05) as client:
        assert client.app.state.service.recall is None
