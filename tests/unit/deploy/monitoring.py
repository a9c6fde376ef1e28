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


class Prometheus(msgspec.Struct, forbid_unknown_fields=True):
    """https://prometheus.io/docs/prometheus/latest/configuration/configuration/"""

    global_: Global = msgspec.field(name="global")
    rule_files: list[Text]
    scrape_configs: list[Job]


class Labels(msgspec.Struct, forbid_unknown_fields=True):
    severity: Literal["page", "ticket"]


class Annotations(msgspec.Struct, forbid_unknown_fields=True):
    summary: Text


class Alert(msgspec.Struct, forbid_unknown_fields=True):
    alert: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z]+$")]
    expr: Text
    labels: Labels
    annotations: Annotations
    for_: Duration = msgspec.field(name="for", default="0s")


class Group(msgspec.Struct, forbid_unknown_fields=True):
    name: Text
    rules: list[Alert]


class Rules(msgspec.Struct, forbid_unknown_fields=True):
    """https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/"""

    groups: list[Group]


def prometheus() -> Prometheus:
    return msgspec.convert(yaml.safe_load((FOLDER / "prometheus.yml").read_text()), Prometheus)


def alerts() -> list[Alert]:
    found = msgspec.convert(yaml.safe_load((FOLDER / "alerts.yml").read_text()), Rules)
    return [alert for group in found.groups for alert in group.rules]


def dashboard() -> dict[str, Any]:
    made: dict[str, Any] = json.loads((FOLDER / "grafana" / "dashboards" / "akin.json").read_text())
    return made


def expressions() -> list[str]:
    """Yield the expressions of all alerts and panels."""
    board = dashboard()
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [note["expr"] for note in board["annotations"]["list"]]
    return asked + [alert.expr for alert in alerts()]


def metrics_of(expression: str) -> set[str]:
    """Return the metrics in an expression: its words without functions, operators, labels and strings."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|on|without|ignoring) *\([^)]*\)", "", expression)
    return set(re.findall(r"\b[a-z]\w*\b(?! *\()", bare)) - {"and", "or", "unless"}
