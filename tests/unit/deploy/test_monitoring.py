"""Test that every name in the files for Prometheus and Grafana exists."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import combinations

import pytest
import yaml
from prometheus_client import Metric

from akin.stack_settings import ROOT
from retrieval_service import errors
from retrieval_service.latest_drift import LatestDrift
from retrieval_service.metrics import Metrics
from tests.unit.deploy.composition import read
from tests.unit.deploy.monitoring import FOLDER, alerts, dashboard, expressions, metrics_of, prometheus


def exported() -> list[Metric]:
    metrics = Metrics()
    metrics.export(LatestDrift(ROOT / "absent"))
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
    ours = {name for name in asked if not name.startswith("nv_")} - {"up"}
    assert ours
    assert ours <= known


def test_every_label_in_use_has_these_values() -> None:
    asked = re.findall(r'(\w+)=~?"([^"]*)"', "\n".join(expressions()))
    jobs = {job.job_name for job in prometheus().scrape_configs}
    codes = {each.code for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "code")}
    known = {
        "job": jobs,
        "reason": codes,
        "route": {"/search", "/health.*|/metrics"},
        "status": {"5..", "499"},
        "outcome": {"stored", "dropped", "failed"},
    }
    assert asked
    for name, value in asked:
        assert value in known[name] or set(value.split("|")) <= known[name]


def test_alerts_have_different_names_and_are_documented() -> None:
    names = [alert.alert for alert in alerts()]
    assert len(set(names)) == len(names)
    documented = (ROOT / "docs" / "monitoring.md").read_text()
    for alert in alerts():
        assert f"`{alert.alert}`" in documented
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
    for name in ("prometheus", "grafana"):
        mounted = [each.split(":") for each in services[name].volumes if each.startswith("./")]
        assert mounted
        for source, _, mode in mounted:
            assert (ROOT / source).exists()
            assert mode == "ro"
    provider = yaml.safe_load((FOLDER / "grafana" / "dashboards" / "provider.yml").read_text())["providers"][0]
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards"
    assert "./deploy/monitoring/grafana:/etc/grafana/provisioning:ro" in services["grafana"].volumes


@pytest.mark.parametrize(
    "arguments", ["check config prometheus.yml", "check rules alerts.yml", "test rules alerts.test.yml"]
)
def test_prometheus_itself_agrees(arguments: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("there is no promtool on this machine: install Debian's package `prometheus`")
    found = subprocess.run(["promtool", *arguments.split()], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
