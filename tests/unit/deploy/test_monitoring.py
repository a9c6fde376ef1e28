"""Test that every name in the files for Prometheus and Grafana exists."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from prometheus_client import Metric

from akin.stack_settings import ROOT
from retrieval_service import errors
from retrieval_service.latest_drift import LatestDrift
from retrieval_service.latest_look import LatestLook
from retrieval_service.latest_refresh import LatestRefresh
from retrieval_service.metrics import Metrics
from tests.unit.deploy.composition import read
from tests.unit.deploy.monitoring import (
    FOLDER,
    alertmanager,
    alerts,
    dashboard,
    expressions,
    metrics_of,
    prometheus,
    recordings,
)


def exported() -> list[Metric]:
    metrics = Metrics()
    metrics.export(LatestDrift(ROOT / "absent"))
    metrics.export(LatestRefresh(ROOT / "absent"))
    metrics.export(LatestLook(ROOT / "absent"))
    return list(metrics.registry.collect())


def series_of(family: Metric) -> set[str]:
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    return {family.name + ending for ending in endings[family.type]}


def test_every_scraped_target_is_a_service_with_that_port() -> None:
    services = read({}).services
    for job in prometheus().scrape_configs:
        ((target,),) = (each.targets for each in job.static_configs)
        host, port = target.split(":")
        assert host == job.job_name
        assert host in services
        dockerfile = (ROOT / "deploy" / f"{host}.Dockerfile").read_text()
        assert port in re.findall(r"^EXPOSE (.*)$", dockerfile, re.MULTILINE)[0].split()


def test_every_metric_in_use_is_exported_by_the_service() -> None:
    known = {name for family in exported() for name in series_of(family)}
    asked = {name for each in expressions() for name in metrics_of(each)}
    ours = {name for name in asked if not name.startswith("nv_")} - {"up"} - {each.record for each in recordings()}
    assert ours
    assert ours <= known


def test_every_label_in_use_has_these_values() -> None:
    asked = re.findall(r'(\w+)=~?"([^"]*)"', "\n".join(expressions()))
    jobs = {job.job_name for job in prometheus().scrape_configs}
    codes = {each.code for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "code")}
    known = {"job": jobs, "reason": codes, "route": {"/search", "/health.*|/metrics"}, "status": {"5..", "499"}}
    known["bound"] = {"estimate", "lower", "upper"}
    known["outcome"] = {"stored", "dropped", "failed"}
    known["le"] = {
        sample.labels["le"]
        for family in _one_search().registry.collect()
        for sample in family.samples
        if sample.name == "akin_request_seconds_bucket"
    }
    assert asked
    for name, value in asked:
        assert value in known[name] or set(value.split("|")) <= known[name]


def _one_search() -> Metrics:
    metrics = Metrics()
    metrics.latency.labels("/search").observe(0.01)
    return metrics


def test_every_recording_is_made_once_and_used() -> None:
    names = [each.record for each in recordings()]
    used = {name for alert in alerts() for name in metrics_of(alert.expr)}
    assert len(set(names)) == len(names)
    assert set(names) == {name for name in used if name.startswith("akin:")}
    for each in recordings():
        window = each.record.rpartition("_")[2]
        assert set(re.findall(r"\[(\w+)\]", each.expr)) == {window}


def test_a_budget_burns_by_a_long_window_and_a_twelfth_of_it() -> None:
    """Use the pairs and rates of the SRE workbook's table 5-8: they burn 2, 5, 10 and 10 % of 30 days' budget."""
    hours = {"5m": 1 / 12, "30m": 0.5, "1h": 1, "2h": 2, "6h": 6, "1d": 24, "3d": 72}
    shares = {"1h": 0.02, "6h": 0.05, "1d": 0.1, "3d": 0.1}
    seen = []
    for alert in alerts():
        for metric, long, rate, other, short, same in re.findall(
            r"(akin:\w+:ratio)_(\w+) > ([\d.]+) \* [\d.]+ and (akin:\w+:ratio)_(\w+) > ([\d.]+) \*", alert.expr
        ):
            assert (metric, rate) == (other, same)
            assert hours[long] == pytest.approx(12 * hours[short])
            assert float(rate) * hours[long] / (30 * 24) == pytest.approx(shares[long])
            assert alert.labels.severity == ("page" if hours[long] < 24 else "ticket")
            seen.append((metric, long))
    assert len(set(seen)) == len(seen) == 8


@pytest.mark.parametrize("name", ["none", "webhook"])
def test_alertmanager_sends_every_alert_to_a_receiver_that_is_there(name: str) -> None:
    config = alertmanager(name)
    service = read({"AKIN_ALERTS": name, "AKIN_ALERT_WEBHOOK_FILE": "./hook"}).services["alertmanager"]
    assert f"--config.file=/etc/alertmanager/{name}.yml" in service.command
    receivers = {each.name for each in config.receivers}
    assert {config.route.receiver, *(route.receiver for route in config.route.routes)} <= receivers
    for receiver in config.receivers:
        for webhook in receiver.webhook_configs:
            assert f"./hook:{webhook.url_file}:ro" in service.volumes
    names = {alert.alert for alert in alerts()}
    for inhibition in config.inhibit_rules:
        for matcher in (*inhibition.source_matchers, *inhibition.target_matchers):
            for pattern in matcher.partition("=")[2].strip('~"').split("|"):
                assert any(re.fullmatch(pattern, each) for each in names), pattern


def test_prometheus_sends_alerts_to_alertmanager_and_finds_every_file_of_rules() -> None:
    services = read({}).services
    ((target,),) = (each.targets for sent in prometheus().alerting.alertmanagers for each in sent.static_configs)
    host, port = target.split(":")
    assert services[host].ports[0].endswith(f":{port}")
    assert set(services[host].networks) & set(services["prometheus"].networks)
    for name in prometheus().rule_files:
        assert f"./deploy/monitoring/{name}:/etc/prometheus/{name}:ro" in services["prometheus"].volumes


def test_alerts_have_different_names_and_are_documented() -> None:
    names = [alert.alert for alert in alerts()]
    assert len(set(names)) == len(names)
    documented = (ROOT / "docs" / "monitoring.md").read_text()
    for alert in alerts():
        assert re.search(rf"^\| `{alert.alert}` \|.*\| .+ \|$", documented, re.MULTILINE), alert.alert
        for label in re.findall(r"\$labels\.(\w+)", alert.annotations.summary):
            assert f"by ({label})" in alert.expr


def test_the_documentation_lists_every_metric_of_the_service() -> None:
    documented = (ROOT / "docs" / "monitoring.md").read_text()
    for family in exported():
        if family.name.startswith("akin_"):
            assert any(f"`{name}`" in documented for name in {family.name, *series_of(family)}), family.name


def test_panels_do_not_overlap_and_use_the_provided_source() -> None:
    sources = yaml.safe_load((FOLDER / "grafana" / "datasources" / "prometheus.yml").read_text())["datasources"]
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["datasource"]["uid"] in {source["uid"] for source in sources}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_files_are_where_the_containers_look_for_them() -> None:
    services = read({}).services
    for name in ("prometheus", "alertmanager", "grafana"):
        mounted = [each.split(":") for each in services[name].volumes if each.startswith("./")]
        assert mounted
        for source, _, mode in mounted:
            assert (ROOT / source).exists()
            assert mode == "ro"
    provider = yaml.safe_load((FOLDER / "grafana" / "dashboards" / "provider.yml").read_text())["providers"][0]
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards"
    assert "./deploy/monitoring/grafana:/etc/grafana/provisioning:ro" in services["grafana"].volumes


@pytest.mark.parametrize(
    "arguments",
    [
        "check config prometheus.yml",
        "check rules alerts.yml objectives.yml",
        "test rules alerts.test.yml objectives.test.yml days.test.yml",
    ],
)
def test_prometheus_itself_agrees(arguments: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("there is no promtool on this machine: install Debian's package `prometheus`")
    found = subprocess.run(["promtool", *arguments.split()], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("name", ["none", "webhook"])
def test_alertmanager_itself_agrees(name: str, tmp_path: Path) -> None:
    if shutil.which("amtool") is None:
        pytest.skip("there is no amtool on this machine: install Debian's package `prometheus-alertmanager`")
    # Debian 12 has release 0.25; `url_file` came with 0.26.
    text = (FOLDER / "alertmanager" / f"{name}.yml").read_text().replace("url_file: /", "url: http://localhost/")
    (tmp_path / "config.yml").write_text(text)
    found = subprocess.run(
        ["amtool", "check-config", str(tmp_path / "config.yml")], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_alert_is_played() -> None:
    played = "".join(path.read_text() for path in FOLDER.glob("*.test.yml"))
    assert [each.alert for each in alerts() if f"alertname: {each.alert}\n" not in played] == []
