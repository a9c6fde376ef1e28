"""Run `akin cloud train` to its end against a cloud on this machine, whose jobs run the real worker.

All but one are marked `long`: `make check-cloud` runs them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from akin.registry.versions import MODEL, promoted_version, versions
from tests.integration.cloud.conftest import Akin
from tests.integration.cloud.fake_google import ACCOUNT, KEY, PROJECT, REGION, FakeGoogle, refusal


def train(akin: Akin, *arguments: str, **variables: str) -> tuple[int, str, str]:
    return akin("cloud", "train", "--pause", "0.05", *arguments, **variables)


def objects(google: FakeGoogle, folder: str) -> set[str]:
    prefix = f"shelf/akin/{folder}/"
    return {name.removeprefix(prefix) for name in google.buckets.objects if name.startswith(prefix)}


def steps(google: FakeGoogle) -> list[int]:
    """Return the steps that all containers trained, in their order."""
    lines = [line for job in google.jobs.values() for line in job.lines]
    return [int(line.rpartition(" ")[2]) for line in lines if line.startswith("train: step")]


@pytest.mark.long
def test_a_job_trains_and_its_version_can_be_taken(google: FakeGoogle, akin: Akin, tmp_path: Path) -> None:
    papers = tmp_path / "papers.jsonl"
    papers.write_text("{}\n" * 7)
    google.settings(
        papers=str(papers), wandb_secret="wandb", service_account="trainer@p.example", accelerators=2, hours=3.5
    )
    code, out, said = train(akin, "experiment=smoke", "--name", "first", "--json")
    assert code == 0, said
    result = json.loads(out)
    assert (result["name"], result["version"]) == ("first", 1)
    assert said.splitlines()[0].startswith(
        "job 1 of run first: g2-standard-8, at most 3.5 h, gs://shelf/akin/runs/first"
    )
    assert "  train: 7 papers" in said
    assert "  train: wandb has its key" in said
    assert steps(google) == list(range(1, 11))
    (job,) = google.jobs.values()
    spec = job.spec["jobSpec"]
    (pool,) = spec["workerPoolSpecs"]
    assert pool["machineSpec"] == {
        "machineType": "g2-standard-8",
        "acceleratorType": "NVIDIA_L4",
        "acceleratorCount": 2,
    }
    assert pool["containerSpec"]["imageUri"] == f"{REGION}-docker.pkg.dev/{PROJECT}/akin/training-gpu:latest"
    assert spec["scheduling"] == {"timeout": "12600s", "strategy": "SPOT", "restartJobOnWorkerRestart": True}
    assert spec["serviceAccount"] == "trainer@p.example"
    (line,) = (each for each in job.lines if each.startswith("train: arguments"))
    assert "'--processes', '2', 'experiment=smoke', 'data.papers=" in line
    assert "'tracking=wandb', 'tracking.mode=online'" in line
    assert {"claim.json", "job.json", "report.md", "result.json", "state/LATEST", "version/LATEST"} <= objects(
        google, "runs/first"
    )
    # The secret is named in the job, and its value is nowhere.
    assert KEY not in json.dumps([job.spec, job.lines, out, said])
    assert not any(KEY.encode() in content for content in google.buckets.objects.values())

    code, _, said = akin("cloud", "take", "first")
    assert code == 0, said
    assert promoted_version(tmp_path / "models").number == 1
    report = tmp_path / "models" / MODEL / "evaluations" / result["digest"] / "report.md"
    assert report.read_text() == "# Report\n"
    code, _, said = akin("cloud", "take", "first")
    assert (code, said) == (0, "version 1 is this one already\n")
    code, out, _ = akin("cloud", "status", "first")
    assert "JOB_STATE_SUCCEEDED" in out
    assert "akin cloud take first" in out


def test_a_machine_that_is_taken_away_costs_only_what_was_not_saved(google: FakeGoogle, akin: Akin) -> None:
    google.settings(save_seconds=0.15)
    google.take_away = 2
    code, _, said = train(akin, "experiment=smoke", "--name", "spot")
    assert code == 0, said
    (job,) = google.jobs.values()
    assert job.starts == 3
    assert said.count("this machine is taken away; the run is saved") == 2
    assert said.count("run smoke-1 goes on from the copy") == 2
    # Every step once, in order: each container went on where the one before had ended.
    assert steps(google) == list(range(1, 11))
    resumed = [line for line in job.lines if "'--resume', 'smoke-1'" in line]
    assert len(resumed) == 2


@pytest.mark.long
def test_a_job_that_lost_its_machine_for_good_is_submitted_again(google: FakeGoogle, akin: Akin) -> None:
    google.settings(save_seconds=0.15, again=1)
    google.lose = 1
    code, _, said = train(akin, "experiment=smoke", "--name", "spot")
    assert code == 0, said
    assert len(google.jobs) == 2
    assert "job 1 lost its machine for good" in said
    assert steps(google) == list(range(1, 11))
    assert json.loads(google.buckets.objects["shelf/akin/runs/spot/job.json"])["submitted"] == 2


@pytest.mark.long
def test_a_job_is_not_submitted_for_ever(google: FakeGoogle, akin: Akin) -> None:
    google.settings(save_seconds=0.1, again=0)
    google.lose = 5
    code, _, said = train(akin, "experiment=smoke", "--name", "spot")
    assert code == 13
    assert len(google.jobs) == 1
    assert "akin cloud train --resume spot" in said.splitlines()[-1]
    google.lose = 0
    code, _, said = train(akin, "--resume", "spot", "experiment=smoke")
    assert code == 0, said
    assert steps(google) == list(range(1, 11))
    code, _, said = train(akin, "--resume", "spot")
    assert code == 13
    assert "akin cloud take spot" in said


@pytest.mark.long
def test_a_training_that_fails_ends_the_job_and_is_kept(google: FakeGoogle, akin: Akin) -> None:
    google.settings()
    code, _, said = train(akin, "seed=broken", "--name", "broken")
    assert code == 13
    assert "  train: the loss is no finite number" in said
    assert "exited with a non-zero status of 1." in said.splitlines()[-1]
    assert "state/LATEST" in objects(google, "runs/broken")
    assert "result.json" not in objects(google, "runs/broken")


@pytest.mark.long
def test_a_version_is_compared_with_the_models_that_serve(google: FakeGoogle, akin: Akin, tmp_path: Path) -> None:
    google.settings()
    folder = tmp_path / "models" / MODEL
    (folder / "4").mkdir(parents=True)
    (folder / "4/manifest.json").write_text('{"digest": "aa", "version": 4}')
    (folder / "config.pbtxt").write_text("")
    (folder / "PROMOTED").write_text("4\n")
    code, _, said = akin("push", "models", "gs://shelf/akin/models")
    assert code == 0, said
    code, out, said = train(akin, "--name", "next", "--json")
    assert code == 0, said
    assert json.loads(out)["version"] == 5
    assert "models of bundle" in said
    code, _, said = akin("cloud", "take", "next")
    assert code == 0, said
    assert [(each.number, each.promoted) for each in versions(tmp_path / "models")] == [(4, True), (5, False)]


@pytest.mark.long
def test_two_jobs_of_one_name_are_refused(google: FakeGoogle, akin: Akin) -> None:
    google.settings()
    code, out, said = train(akin, "--name", "twin", "--no-follow", "--json")
    assert code == 0, said
    assert json.loads(out)["run"] == "twin"
    code, _, said = train(akin, "--name", "twin")
    assert code == 13
    assert "akin cloud follow twin" in said or "there is a run twin" in said
    assert len(google.jobs) == 1
    code, _, said = akin("cloud", "follow", "twin", "--pause", "0.05")
    assert code == 0, said
    code, _, said = train(akin, "--name", "twin")
    assert code == 13
    assert "there is a run twin in gs://shelf/akin already" in said


@pytest.mark.long
def test_a_job_can_be_stopped_and_continued(google: FakeGoogle, akin: Akin) -> None:
    google.settings(save_seconds=0.1)
    assert train(akin, "--name", "stop", "--no-follow")[0] == 0
    code, _, said = akin("cloud", "cancel", "stop")
    assert code == 0, said
    for thread in google.threads:
        thread.join(60)
    code, _, said = akin("cloud", "cancel", "stop")
    assert code == 13
    assert "no job to stop" in said
    code, _, said = akin("cloud", "follow", "stop", "--pause", "0")
    assert code == 13
    assert "ended as cancelled" in said
    assert train(akin, "--resume", "stop")[0] == 0


@pytest.mark.long
def test_a_secret_that_may_not_be_read_fails_the_job_with_the_role(google: FakeGoogle, akin: Akin) -> None:
    google.settings(wandb_secret="wandb", service_account="trainer@p.example")
    google.refuse["secrets/wandb"] = refusal(403, "Permission 'secretmanager.versions.access' denied")
    code, _, said = train(akin, "--name", "first")
    assert code == 13
    assert f"{ACCOUNT} needs roles/secretmanager.secretAccessor on the secret" in said


@pytest.mark.long
def test_a_log_that_may_not_be_read_does_not_end_the_watch(google: FakeGoogle, akin: Akin) -> None:
    google.settings()
    google.refuse["entries:list"] = refusal(403, "Permission 'logging.logEntries.list' denied")
    code, _, said = train(akin, "--name", "first")
    assert code == 0, said
    assert said.count("the log cannot be shown") == 1
    assert "roles/logging.viewer" in said
