"""Describe, start and watch custom jobs of Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from akin.cloud.config import Cloud
from akin.cloud.google import GoogleApi

ACTIVE = {"JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING", "JOB_STATE_UPDATING"}
DONE = "JOB_STATE_SUCCEEDED"
PREFIX = "akin-train-"


@dataclass(frozen=True)
class JobState:
    """State of a job: its resource name, its state in Vertex AI's words, and the reason of a failure."""

    name: str
    state: str
    reason: str = ""

    @property
    def active(self) -> bool:
        """Return True while the job may still do something."""
        return self.state in ACTIVE

    @property
    def number(self) -> str:
        """Return the number of the job, by which its logs are found."""
        return self.name.rpartition("/")[2]

    @property
    def lost_machine(self) -> bool:
        """Return True if the job failed because its machines were taken away, or there were none."""
        text = self.reason.lower()
        return self.state == "JOB_STATE_FAILED" and any(
            word in text for word in ("preempt", "unavailable", "stockout", "out of capacity", "insufficient capacity")
        )


class Vertex:
    """Jobs of a project in a region."""

    def __init__(self, api: GoogleApi, cloud: Cloud) -> None:
        """Take the client and the settings."""
        self._api, self._cloud = api, cloud
        self._parent = f"projects/{cloud.project}/locations/{cloud.region}"

    def create(self, spec: Mapping[str, Any]) -> JobState:
        """Start a job and return its state."""
        return _state(self._call("POST", f"{self._parent}/customJobs", spec))

    def get(self, name: str) -> JobState:
        """Return the state of a job."""
        return _state(self._call("GET", name))

    def cancel(self, name: str) -> None:
        """Stop a job."""
        self._call("POST", f"{name}:cancel", {})

    def active_jobs(self, run: str) -> list[JobState]:
        """Return the jobs of a run that have not ended, in whatever order."""
        params = {"filter": f'displayName="{PREFIX}{run}"', "pageSize": "100"}
        found: list[JobState] = []
        while True:
            answer = self._call("GET", f"{self._parent}/customJobs", params=params)
            found += [_state(each) for each in answer.get("customJobs", [])]
            if not answer.get("nextPageToken"):
                return [each for each in found if each.active]
            params["pageToken"] = answer["nextPageToken"]

    def log_lines(self, job: JobState, after: str) -> tuple[list[str], str]:
        """Return lines of a job's log that came after a moment, and the moment of the last one."""
        wanted = f'resource.type="ml_job" AND resource.labels.job_id="{job.number}"'
        body = {
            "resourceNames": [f"projects/{self._cloud.project}"],
            "filter": wanted + (f' AND timestamp>"{after}"' if after else ""),
            "orderBy": "timestamp asc",
            "pageSize": 1000,
        }
        answer = self._api.call("logging", "POST", "entries:list", body)
        lines = []
        for entry in answer.get("entries", []):
            text = entry.get("textPayload") or (entry.get("jsonPayload") or {}).get("message") or ""
            lines += [line for line in str(text).splitlines() if line.strip()]
            after = str(entry.get("timestamp", after))
        return lines, after

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        return self._api.call("aiplatform", method, path, body, params, self._cloud.region)


def job_spec(cloud: Cloud, run: str, work: str) -> dict[str, Any]:
    """Return the description of a job that trains a run.

    Args:
        cloud: The settings.
        run: Name of the run.
        work: What the container does, as `akin cloud worker` reads it.
    """
    train = cloud.train
    machine: dict[str, Any] = {"machineType": train.machine}
    if train.accelerator:
        machine |= {"acceleratorType": train.accelerator, "acceleratorCount": train.accelerators}
    scheduling: dict[str, Any] = {"timeout": f"{train.seconds}s", "strategy": "SPOT" if train.spot else "STANDARD"}
    if train.spot:
        scheduling["restartJobOnWorkerRestart"] = True
    spec: dict[str, Any] = {
        "workerPoolSpecs": [
            {
                "machineSpec": machine,
                "replicaCount": "1",
                "diskSpec": {"bootDiskType": "pd-ssd", "bootDiskSizeGb": train.disk_gigabytes},
                "containerSpec": {
                    "imageUri": cloud.training_image,
                    "command": ["akin", "cloud", "worker"],
                    "args": [work],
                },
            }
        ],
        "scheduling": scheduling,
        "baseOutputDirectory": {"outputUriPrefix": cloud.below(f"runs/{run}/vertex")},
    }
    if train.service_account:
        spec["serviceAccount"] = train.service_account
    return {"displayName": f"{PREFIX}{run}", "labels": {"akin": "train", "run": run}, "jobSpec": spec}


def _state(answer: Mapping[str, Any]) -> JobState:
    error = answer.get("error") or {}
    return JobState(
        str(answer.get("name", "")), str(answer.get("state", "")), " ".join(str(error.get("message", "")).split())
    )
