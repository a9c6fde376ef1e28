"""Refuse a job in one line that names what is missing, before anything is made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from akin.bundles import Place, push
from tests.integration.cloud.conftest import Akin
from tests.integration.cloud.fake_google import ACCOUNT, PROJECT, REGION, FakeGoogle, refusal
from tests.integration.cloud.test_jobs import objects, train

PERMISSION = (
    f"Permission 'aiplatform.customJobs.create' denied on resource '//aiplatform.googleapis.com/projects/{PROJECT}' "
    "(or it may not exist)."
)


@pytest.mark.parametrize(
    ("where", "answer", "said"),
    [
        ("customJobs", refusal(403, PERMISSION, "PERMISSION_DENIED"), [ACCOUNT, "roles/aiplatform.user", PROJECT]),
        (
            "customJobs",
            refusal(403, "You do not have permission to act as service account: iam.serviceAccounts.actAs denied"),
            ["roles/iam.serviceAccountUser", "the service account"],
        ),
        (
            "customJobs",
            refusal(400, "You do not have permission to act as service_account: t@p.example. (or it may not exist)."),
            ["roles/iam.serviceAccountUser", "the service account"],
        ),
        (
            "customJobs",
            refusal(403, "Insufficient scopes", "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
            ["train.service_account"],
        ),
        (
            "customJobs",
            refusal(403, "Vertex AI API has not been used in project", "PERMISSION_DENIED", "SERVICE_DISABLED"),
            [f"gcloud services enable aiplatform.googleapis.com --project={PROJECT}"],
        ),
        ("customJobs", refusal(403, "Billing is off", "PERMISSION_DENIED", "BILLING_DISABLED"), ["billing"]),
        (
            "customJobs",
            refusal(429, "The following quotas are exceeded: custom_model_training_preemptible_nvidia_l4_gpus"),
            ["a quota is used up", "nvidia_l4", "iam-admin/quotas", REGION],
        ),
        (
            "customJobs",
            refusal(400, "Machine type g2-standard-8 is not supported in this region", "INVALID_ARGUMENT"),
            ["g2-standard-8", REGION],
        ),
        ("customJobs", refusal(404, "Location not found", "NOT_FOUND"), ["project", "region right"]),
        ("customJobs", (403, {"error": "odd"}), ["roles/aiplatform.user"]),
        (
            "token",
            (400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}),
            ["have expired or were revoked", "gcloud auth application-default login"],
        ),
        ("customJobs", refusal(401, "Invalid credentials"), ["refused the credentials"]),
    ],
)
def test_a_refusal_says_what_is_missing_and_leaves_the_name_free(
    google: FakeGoogle, akin: Akin, where: str, answer: tuple[int, Any], said: list[str]
) -> None:
    google.settings(papers="gs://shelf/papers.jsonl")
    google.refuse[where] = answer
    code, out, error = train(akin, "--name", "first")
    assert (code, out) == (13, "")
    assert error.count("\n") == 1, error
    for words in said:
        assert words in error
    assert objects(google, "runs/first") == set()
    assert google.jobs == {}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"job": 3}', b"\xff"])
@pytest.mark.parametrize("command", ["follow", "status"])
def test_a_run_that_another_tool_wrote_is_refused(google: FakeGoogle, akin: Akin, command: str, content: bytes) -> None:
    google.settings()
    google.buckets.objects["shelf/akin/runs/odd/job.json"] = content
    code, _, said = akin("cloud", command, "odd")
    assert (code, said.count("\n")) == (13, 1)
    assert "gs://shelf/akin/runs/odd/job.json" in said


@pytest.mark.parametrize("command", ["follow", "status", "cancel", "take"])
@pytest.mark.parametrize("run", ["", "../first", "none"])
def test_a_run_that_there_is_not_is_refused(google: FakeGoogle, akin: Akin, command: str, run: str) -> None:
    google.settings()
    code, _, said = akin("cloud", command, run)
    assert code in (2, 12, 13)
    assert said.count("\n") == 1
    assert "cannot name a run" in said if run != "none" else "none" in said


def test_a_half_version_is_not_taken(google: FakeGoogle, akin: Akin, tmp_path: Path) -> None:
    google.settings()
    (tmp_path / "file").write_text("x")
    model = {f"text_encoder/1/{name}": tmp_path / "file" for name in ("model.onnx", "tokenizer.json")}
    push(Place("gs://shelf/akin/runs/half/version"), "version", "text_encoder-1", model)
    code, _, said = akin("cloud", "take", "half")
    assert code == 12
    assert "the version in gs://shelf/akin/runs/half/version is damaged" in said
    assert list((tmp_path / "models").glob("text_encoder/[0-9]*")) == []
    assert not list((tmp_path / "models").glob(".taking-*"))


def test_no_credentials_are_said_in_one_line(google: FakeGoogle, akin: Akin) -> None:
    google.settings()
    code, _, said = train(akin, GOOGLE_APPLICATION_CREDENTIALS="")
    assert (code, said.count("\n")) == (13, 1)
    assert "no Google credentials" in said
    assert "gcloud auth application-default login" in said


def test_a_bucket_that_may_not_be_written_is_refused_before_a_job(google: FakeGoogle, akin: Akin) -> None:
    google.settings()
    google.buckets.refuse["PUT"] = (403, "x@y does not have storage.objects.create access")
    code, _, said = train(akin, "--name", "first")
    assert (code, google.jobs) == (12, {})
    assert "roles/storage.objectUser on the bucket shelf" in said
    google.buckets.refuse.clear()
    google.buckets.buckets.clear()
    code, _, said = train(akin, "--name", "first")
    assert (code, google.jobs) == (12, {})
    assert "there is no bucket shelf" in said or "the bucket shelf" in said


def test_the_job_can_be_shown_without_any_access(google: FakeGoogle, akin: Akin) -> None:
    google.settings(spot=False, accelerator="", hours=10, budget=6, price_per_hour=2)
    code, out, said = train(akin, "--show", "--name", "first", GOOGLE_APPLICATION_CREDENTIALS="")
    assert (code, said, google.bodies) == (0, "", [])
    spec = json.loads(out)["jobSpec"]
    assert spec["scheduling"] == {"timeout": "10800s", "strategy": "STANDARD"}  # 6 of money at 2 an hour
    assert spec["workerPoolSpecs"][0]["containerSpec"]["imageUri"].endswith("/akin/training:latest")
    assert re.search(r'"run": ?"first"', out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--name", "My Run"), "'My Run' cannot name a run"),
        (("--name", "a", "--resume", "b"), "--resume RUN names the run already"),
        (("--papers", "absent.jsonl"), "'absent.jsonl', which is no file"),
        (("--papers", ""), "'', which is no file"),
        (("--papers", "gs://shelf/"), "must end in the name of a file"),
        (("--papers", "ftp://shelf/papers.jsonl"), "known are gs"),
        (("experiment=smoek",), "there is no experiment 'smoek'"),
        (("smoke",), "'smoke' is no setting of `akin train`"),
    ],
)
@pytest.mark.parametrize("show", [(), ("--show",)])
def test_what_cannot_run_is_refused_before_anything_is_asked(
    google: FakeGoogle, akin: Akin, show: tuple[str, ...], arguments: tuple[str, ...], said: str
) -> None:
    google.settings()
    code, out, error = train(akin, *show, *arguments, GOOGLE_APPLICATION_CREDENTIALS="")
    assert (code in (2, 12), out, error.count("\n")) == (True, "", 1), error
    assert said in error
    assert google.bodies == []
