"""Refuse a job in one line that names what is missing, before anything is made."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

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
