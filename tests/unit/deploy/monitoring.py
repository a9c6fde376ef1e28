"""Read the files of deploy/monitoring/ strictly by the parts of Prometheus' and Grafana's formats that they use."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

import msgspec
import yaml

from akin.stack_settings import ROOT

FOLDER = ROOT / "deploy" / "monitoring"
Text = Annotated[str, msgspec.Meta(min_length=1)]
Duration = Annotated[str, msgspec.Meta(pattern=r"^\d+(ms|s|m|h|d)$")]
OF_GPUS = {"nv_gpu_utilization", "nv_gpu_memory_used_bytes"}
"""The metrics of GPUs (Triton's docs/user_guide/metrics.md), which cannot be checked without one."""


class StaticConfig(msgspec.Struct, forbid_unknown_fields=True):
    targets: list[Annotated[str, msgspec.Meta(pattern=r"^[\w-]+:\d+$")]]


class Job(msgspec.Struct, forbid_unknown_fields=True):
    job_name: Text
    static_configs: list[StaticConfig]


class Global(msgspec.Struct, forbid_unknown_fields=True):
    scrape_interval: Duration
    evaluation_interval: Duration


class Alertmanagers(msgspec.Struct, forbid_unknown_fields=True):
    static_configs: list[StaticConfig]


class Alerting(msgspec.Struct, forbid_unknown_fields=True):
    alertmanagers: list[Alertmanagers]


class Prometheus(msgspec.Struct, forbid_unknown_fields=True):
    """https://prometheus.io/docs/prometheus/latest/configuration/configuration/"""

    global_: Global = msgspec.field(name="global")
    rule_files: list[Text]
    alerting: Alerting
    scrape_configs: list[Job]


class Labels(msgspec.Struct, forbid_unknown_fields=True):
    severity: Literal["page", "ticket"]


class Annotations(msgspec.Struct, forbid_unknown_fields=True):
    summary: Text
    runbook_url: Annotated[str, msgspec.Meta(pattern=r"^docs/runbook\.md#[a-z]+$")]


class Alert(msgspec.Struct, forbid_unknown_fields=True):
    alert: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z]+$")]
    expr: Text
    labels: Labels
    annotations: Annotations
    for_: Duration = msgspec.field(name="for", default="0s")


class Recording(msgspec.Struct, forbid_unknown_fields=True):
    record: Annotated[str, msgspec.Meta(pattern=r"^akin:[a-z_]+:[a-z]+_\d+[mhd]$")]
    expr: Text


class Group(msgspec.Struct, forbid_unknown_fields=True):
    name: Text
    rules: list[dict[str, Any]]


class Rules(msgspec.Struct, forbid_unknown_fields=True):
    """https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/"""

    groups: list[Group]


class Webhook(msgspec.Struct, forbid_unknown_fields=True):
    url_file: Text
    send_resolved: bool


class Receiver(msgspec.Struct, forbid_unknown_fields=True):
    name: Text
    webhook_configs: list[Webhook] = []


Matcher = Annotated[str, msgspec.Meta(pattern=r'^\w+=~?"[^"]+"$')]


class Route(msgspec.Struct, forbid_unknown_fields=True):
    receiver: Text
    group_by: list[Text] = []
    matchers: list[Matcher] = []
    group_wait: Duration = "30s"
    group_interval: Duration = "5m"
    repeat_interval: Duration = "4h"
    routes: list[Route] = []


class Inhibition(msgspec.Struct, forbid_unknown_fields=True):
    source_matchers: list[Matcher]
    target_matchers: list[Matcher]


class Alertmanager(msgspec.Struct, forbid_unknown_fields=True):
    """https://prometheus.io/docs/alerting/latest/configuration/"""

    route: Route
    receivers: list[Receiver]
    inhibit_rules: list[Inhibition] = []


def prometheus() -> Prometheus:
    return msgspec.convert(yaml.safe_load((FOLDER / "prometheus.yml").read_text()), Prometheus)


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load((FOLDER / name).read_text()) for name in prometheus().rule_files]
    return [rule for file in files for group in msgspec.convert(file, Rules).groups for rule in group.rules]


def alerts() -> list[Alert]:
    return [msgspec.convert(rule, Alert) for rule in rules() if "record" not in rule]


def recordings() -> list[Recording]:
    return [msgspec.convert(rule, Recording) for rule in rules() if "record" in rule]


def alertmanager(name: str) -> Alertmanager:
    return msgspec.convert(yaml.safe_load((FOLDER / "alertmanager" / f"{name}.yml").read_text()), Alertmanager)


def dashboard() -> dict[str, Any]:
    made: dict[str, Any] = json.loads((FOLDER / "grafana" / "dashboards" / "akin.json").read_text())
    return made


def expressions() -> list[str]:
    """Return the expressions of all rules and panels."""
    board = dashboard()
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [note["expr"] for note in board["annotations"]["list"]]
    return asked + [rule.expr for rule in (*alerts(), *recordings())]


def metrics_of(expression: str) -> set[str]:
    """Return the metrics in an expression: its words without functions, operators, labels and strings."""
    bare = re.sub(r'\{(?:"[^"]*"|[^}"])*\}|\[[^\]]*\]|\b(by|on|without|ignoring) *\([^)]*\)', "", expression)
    return set(re.findall(r"\b[a-z][\w:]*\b(?! *\()", bare)) - {"and", "or", "unless"}
