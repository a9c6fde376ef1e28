"""Check the files of Terraform: whole, without a key, and without the name of a project, a bucket or a region."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

from akin.stack_settings import ROOT

FOLDER = ROOT / "deploy/cloud/terraform"
FILES = sorted(FOLDER.glob("*.tf"))
TEXT = "\n".join(path.read_text("utf-8") for path in FILES)
CODE = re.sub(r"(?m)(^|\s)#.*$", "", TEXT)
ROLES = set(re.findall(r'"(roles/[a-zA-Z.]+)"', CODE))


def plain(value: Any) -> Any:
    """Return a value as python-hcl2 reads it, without the quotes that it keeps around texts and names."""
    if isinstance(value, dict):
        return {key.strip('"'): plain(each) for key, each in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.strip('"') if isinstance(value, str) else value


PARSED = [plain(hcl2.loads(path.read_text("utf-8"))) for path in FILES]


def blocks(kind: str) -> Iterator[dict[str, Any]]:
    for file in PARSED:
        yield from file.get(kind, [])


VARIABLES = {name: content for block in blocks("variable") for name, content in block.items()}
RESOURCES = {
    (kind, name): content
    for block in blocks("resource")
    for kind, named in block.items()
    for name, content in named.items()
}


def test_it_has_what_the_project_needs() -> None:
    kinds = {kind for kind, _ in RESOURCES}
    assert kinds >= {
        "google_artifact_registry_repository",
        "google_billing_budget",
        "google_cloudbuild_trigger",
        "google_monitoring_alert_policy",
        "google_monitoring_dashboard",
        "google_monitoring_uptime_check_config",
        "google_secret_manager_secret",
        "google_service_account",
        "google_storage_bucket",
        "google_iam_workload_identity_pool_provider",
    }
    alerts = {name for kind, name in RESOURCES if kind == "google_monitoring_alert_policy"}
    assert alerts == {"requests", "errors", "latency", "uptime"}


def test_every_variable_is_described_and_used() -> None:
    assert len(VARIABLES) > 15
    for name, content in VARIABLES.items():
        assert content["description"].endswith("."), name
        assert "type" in content, name
        assert len(re.findall(rf"\bvar\.{name}\b", CODE)) > 0, f"{name} is not used"
    assert set(re.findall(r"\bvar\.(\w+)", CODE)) == set(VARIABLES)


def test_what_is_yours_has_no_default() -> None:
    required = {name for name, content in VARIABLES.items() if "default" not in content}
    assert required == {"project", "region", "bucket", "alert_email"}


def test_every_reference_is_to_something_that_exists() -> None:
    known = set(RESOURCES)
    used = set(re.findall(r"\b(google_\w+)\.(\w+)(?:\[|\.|\b)", CODE))
    assert len(used) > 10
    data = {(kind, name) for block in blocks("data") for kind, named in block.items() for name in named}
    assert used <= known | data
    local = {name for block in blocks("locals") for name in block}
    assert set(re.findall(r"\blocal\.(\w+)", CODE)) == local


def test_no_project_bucket_region_or_key_is_written_down() -> None:
    assert not re.search(r"google_service_account_key|private_key|BEGIN ", CODE)
    assert "secret_data" not in CODE  # the value of a secret would be in Terraform's state
    for kind, name in RESOURCES:
        content = RESOURCES[kind, name]
        for key in ("project", "location", "region", "bucket"):
            value = str(content.get(key, "var."))
            assert re.search(r"var\.|google_|data\.|local\.", value), (kind, name, key, value)
    assert not re.search(r"(?:north|south|east|west|central)[a-z]*\d|gs://|\d{9,}(?!s)", CODE)
    assert set(re.findall(r"[\w.-]+@[\w.-]+", CODE)) <= {"@gcp-sa"} or not re.findall(r'"[\w.-]+@[\w.-]+"', CODE)


def test_nobody_gets_more_than_a_role_for_the_task() -> None:
    assert not ROLES & {"roles/owner", "roles/editor", "roles/viewer", "roles/storage.admin", "roles/run.admin"}
    assert ("google_storage_bucket", "akin") in RESOURCES
    bucket = RESOURCES["google_storage_bucket", "akin"]
    assert bucket["public_access_prevention"] == "enforced"
    public = [key for key, content in RESOURCES.items() if content.get("member") == "allUsers"]
    assert public == [("google_cloud_run_v2_service_iam_member", "page")]
    assert VARIABLES["page_is_public"]["default"] is False


def test_only_approved_jobs_of_the_one_repository_may_act_for_the_promotion() -> None:
    provider = RESOURCES["google_iam_workload_identity_pool_provider", "github"]
    assert "assertion.repository == '${var.github}'" in provider["attribute_condition"]
    assert "assertion.environment == 'production'" in provider["attribute_condition"]
    workflow = (ROOT / ".github/workflows/promote.yml").read_text("utf-8")
    assert "environment: production" in workflow


def test_every_role_is_in_the_docs() -> None:
    page = (ROOT / "docs/cloud.md").read_text("utf-8")
    assert len(ROLES) > 8
    assert {role for role in ROLES if f"`{role}`" not in page} == set()


def test_the_trigger_sets_what_the_build_asks_for() -> None:
    trigger = RESOURCES["google_cloudbuild_trigger", "images"]
    build = (ROOT / "cloudbuild.yaml").read_text("utf-8")
    assert set(trigger["substitutions"]) == {"_REGION", "_REPOSITORY", "_TAG", "_REVISION", "_SOURCE"}
    for name in trigger["substitutions"]:
        assert f"${{{name}}}" in build
    assert trigger["filename"] == "cloudbuild.yaml"


def test_the_dashboard_is_whole() -> None:
    text = (FOLDER / "dashboard.json.tftpl").read_text("utf-8")
    given = set(
        re.findall(r"^    (\w+)\s+= ", re.search(r"dashboard\.json\.tftpl\", \{(.*?)\}\)", TEXT, re.DOTALL)[1], re.M)
    )  # type: ignore[index]
    assert set(re.findall(r"\$\{(\w+)\}", text)) == given
    filled = re.sub(r'\$\{jsonencode\("((?:[^"\\]|\\.)*)"\)\}', lambda found: json.dumps(found[1]), text)
    filled = re.sub(r"\$\{\w+\}", '"x"', filled.replace("${run}", "run"))
    dashboard = json.loads(filled)
    tiles = dashboard["mosaicLayout"]["tiles"]
    assert len(tiles) == 8
    taken = {(each["xPos"], each["yPos"]) for each in tiles}
    assert len(taken) == len(tiles)
    for each in tiles:
        assert each["xPos"] + each["width"] <= dashboard["mosaicLayout"]["columns"]
        (data,) = each["widget"]["xyChart"]["dataSets"]
        query = data["timeSeriesQuery"]["timeSeriesFilter"]
        assert set(query) == {"filter", "aggregation"}
    titles = {each["widget"]["title"] for each in tiles}
    assert {"Requests a second", "Failures (5xx) a second", "Latency, 95th percentile"} <= titles


@pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no terraform on this machine")
def test_terraform_itself_reads_the_files(tmp_path: Path) -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", "-diff", str(FOLDER)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    # The function that fills the dashboard needs no provider.
    shutil.copy(FOLDER / "dashboard.json.tftpl", tmp_path)
    values = '{requests = "\\"r\\"", failures = "\\"f\\"", latency = "\\"l\\"", run = "a=\\"b\\""}'
    asked = f'jsondecode(templatefile("dashboard.json.tftpl", {values})).displayName\n'
    done = subprocess.run(
        ["terraform", "console"], input=asked, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert '"Akin"' in done.stdout, done.stdout + done.stderr
