"""Test that the runbook has a whole section for each alert, and that each alert points to its own."""

from __future__ import annotations

import re

import pytest

from akin.stack_settings import ROOT
from tests.unit.deploy.monitoring import Alert, alerts

FOUND = re.findall(
    r"^### (\w+)\n\n(.*?)(?=^##|\Z)", (ROOT / "docs/runbook.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)
SECTIONS = dict(FOUND)
ALERTS = alerts()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda each: each.alert)
def test_an_alert_has_its_section_and_points_to_it(alert: Alert) -> None:
    section = SECTIONS[alert.alert]
    assert re.findall(r"^- \*\*(.+?)\*\* \S", section, re.MULTILINE) == ["Meaning.", "First look.", "Fix."]
    assert f"{alert.labels.severity.capitalize()}." in section.partition("- **First look.**")[0]
    assert alert.annotations.runbook_url == f"docs/runbook.md#{alert.alert.lower()}"


def test_every_section_is_of_an_alert_and_no_alert_has_two() -> None:
    assert len(ALERTS) > 20
    assert sorted(name for name, _ in FOUND) == sorted(each.alert for each in ALERTS)
