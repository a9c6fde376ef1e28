"""Start a training job, watch it, and submit it again when its machines were taken away for good."""

from __future__ import annotations

import contextlib
import getpass
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from akin.bundles import NothingThere, Place
from akin.bundles.places import AlreadyThere
from akin.cloud.config import Cloud
from akin.cloud.google import GoogleApi
from akin.cloud.inputs import check_papers, find_papers
from akin.cloud.vertex import DONE, JobState, Vertex, job_spec
from akin.cloud.work import CLAIM, JOB, RESULT, Work, run_address
from akin.errors import AkinError, BadSetting, CloudError

Say = Callable[[str], None]

_RUN = re.compile(r"[a-z][a-z0-9-]{0,60}[a-z0-9]")


@dataclass(frozen=True)
class Launcher:
    """Jobs of a project.

    Attributes:
        cloud: The settings.
        say: Called with messages.
        pause: Seconds between two looks at a job.
    """

    cloud: Cloud
    say: Say
    pause: float = 20.0

    def vertex(self) -> Vertex:
        """Return the client of Vertex AI.

        Raises:
            CloudError: There are no credentials.
        """
        return Vertex(GoogleApi(self.cloud.project, self.cloud.endpoints), self.cloud)

    def start(self, run: str, *, resume: bool = False) -> JobState:
        """Start the job of a run.

        Raises:
            BadSetting: The name cannot be used.
            AkinError: Another job has the name, or Google or the bucket refused.
        """
        check_run(run)
        check_papers(self.cloud.train.papers)
        vertex, place = self.vertex(), Place(run_address(self.cloud, run))
        if resume:
            self._check_resumable(place, run)
        if jobs := vertex.active_jobs(run):
            raise CloudError(f"run {run} has a job already ({jobs[0].state}): akin cloud follow {run}")
        if not resume:
            self._claim(place, run)
        try:
            papers, name, md5 = find_papers(self.cloud.train.papers, self.cloud.below("inputs"))
            spec = job_spec(self.cloud, run, self._work(place, papers, name, md5).encode())
            job = self._submit(vertex, place, spec, 1)
        except BaseException:
            if not resume:
                with contextlib.suppress(AkinError):  # the first error says more
                    place.delete([CLAIM])  # nothing runs under this name
            raise
        hours = f"at most {self.cloud.train.seconds / 3600:.1f} h"
        self.say(f"job {job.number} of run {run}: {self.cloud.train.machine}, {hours}, {place.address}")
        return job

    def follow(self, run: str) -> dict[str, Any]:
        """Print the log of a run's job until it ends, and return the result of the run.

        A job that lost its machines for good is submitted again, as often as the settings allow.

        Raises:
            AkinError: The job failed or was cancelled, or something cannot be read.
        """
        check_run(run)
        vertex, place = self.vertex(), Place(run_address(self.cloud, run))
        while True:
            record = self._record(place, run)
            job = self._watch(vertex, str(record["job"]))
            if job.state == DONE:
                return read_json(place, RESULT, f"the job ended without a result: look at its log (job {job.number}).")
            again = int(record["submitted"])
            if not (job.lost_machine and self.cloud.train.spot and again <= self.cloud.train.again):
                raise CloudError(
                    f"job {job.number} of run {run} ended as {job.state.removeprefix('JOB_STATE_').lower()}"
                    f"{f': {job.reason}' if job.reason else ''}. What it did is kept: akin cloud train --resume {run}"
                )
            self.say(f"job {job.number} lost its machine for good ({job.reason}); submitting it again")
            if not vertex.active_jobs(run):  # another follower may have been faster
                self._submit(vertex, place, record["spec"], again + 1)

    def state(self, run: str) -> dict[str, Any]:
        """Return what is known of a run: its job, and its result if it has one.

        Raises:
            AkinError: There is no such run, or something cannot be read.
        """
        check_run(run)
        place = Place(run_address(self.cloud, run))
        record = self._record(place, run)
        job = self.vertex().get(str(record["job"]))
        found = {
            "run": run,
            "job": job.name,
            "state": job.state,
            "reason": job.reason,
            "submitted": record["submitted"],
        }
        with contextlib.suppress(NothingThere):
            found["result"] = json.loads(place.read(RESULT))
        return found

    def cancel(self, run: str) -> None:
        """Stop the jobs of a run; what they did is kept.

        Raises:
            AkinError: There are none, or Google refused.
        """
        check_run(run)
        vertex = self.vertex()
        jobs = vertex.active_jobs(run)
        if not jobs:
            raise CloudError(f"run {run} has no job to stop.")
        for job in jobs:
            vertex.cancel(job.name)

    def _record(self, place: Place, run: str) -> dict[str, Any]:
        record = read_json(place, JOB, f"there is no run {run}: `akin cloud train` starts one.")
        if not (isinstance(record.get("job"), str) and isinstance(record.get("submitted"), int) and "spec" in record):
            raise CloudError(f"{place.address}/{JOB} describes no job: was it written by another tool?")
        return record

    def _claim(self, place: Place, run: str) -> None:
        claim = {"by": getpass.getuser(), "at": datetime.now(UTC).isoformat("T", "seconds")}
        try:
            # Made once: of two launchers with one name, one is refused.
            place.write(CLAIM, json.dumps(claim).encode(), new=True)
        except AlreadyThere as error:
            raise CloudError(
                f"there is a run {run} in {self.cloud.bucket} already: choose another --name, or go on with it: "
                f"akin cloud train --resume {run}"
            ) from error

    def _check_resumable(self, place: Place, run: str) -> None:
        place.read(CLAIM)
        try:
            place.read(RESULT)
        except NothingThere:
            return
        raise CloudError(f"run {run} is done: akin cloud take {run}")

    def _work(self, place: Place, papers: str, name: str, md5: str) -> Work:
        train = self.cloud.train
        return Work(
            run=place.address,
            project=self.cloud.project,
            overrides=train.overrides,
            papers=papers,
            papers_name=name,
            papers_md5=md5,
            models=self.cloud.below("models"),
            wandb_secret=train.wandb_secret,
            processes=train.accelerators if train.accelerator else 1,
            save_seconds=train.save_seconds,
            endpoints=self.cloud.endpoints,
        )

    def _submit(self, vertex: Vertex, place: Place, spec: Any, submitted: int) -> JobState:
        job = vertex.create(spec)
        record = {"job": job.name, "submitted": submitted, "spec": spec}
        try:
            place.write(JOB, json.dumps(record, indent=2).encode() + b"\n")
        except BaseException:
            vertex.cancel(job.name)  # a job that nobody finds again would cost money
            raise
        return job

    def _watch(self, vertex: Vertex, name: str) -> JobState:
        shown, after, logs, ended = "", "", True, False
        while True:
            job = vertex.get(name)
            if job.state != shown:
                self.say(f"job {job.number}: {job.state.removeprefix('JOB_STATE_').lower()}")
                shown = job.state
            try:
                lines, after = vertex.log_lines(job, after) if logs else ([], after)
            except CloudError as error:
                self.say(f"the log cannot be shown: {error}")
                lines, logs = [], False
            for line in lines:
                self.say(f"  {line}")
            # The last lines of a log arrive some seconds after the end of its job.
            if ended and not lines:
                return job
            ended = not job.active
            time.sleep(self.pause)


def check_run(run: str) -> None:
    """Check that a text can name a run, a job and a folder of a bucket.

    Raises:
        BadSetting: It cannot.
    """
    if not _RUN.fullmatch(run):
        raise BadSetting(f"{run!r} cannot name a run: use lower-case letters, digits and dashes, at most 62.")


def new_run(overrides: tuple[str, ...]) -> str:
    """Return a name for a run: its experiment and the time."""
    experiments = [each.partition("=")[2] for each in overrides if each.startswith("experiment=")]
    name = re.sub(r"[^a-z0-9]+", "-", (experiments or ["train"])[-1].lower()).strip("-")[:40] or "train"
    return f"{name if name[0].isalpha() else f'run-{name}'}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def read_json(place: Place, name: str, missing: str) -> dict[str, Any]:
    """Return an object of JSON in a bucket.

    Raises:
        CloudError: It is missing, for which the message is given, or is no JSON.
        AkinError: It cannot be read.
    """
    try:
        found = json.loads(place.read(name))
    except NothingThere as error:
        raise CloudError(f"{missing} ({error})") from error
    except ValueError as error:
        raise CloudError(f"{place.address}/{name} is no JSON ({error}).") from error
    if not isinstance(found, dict):
        raise CloudError(f"{place.address}/{name} is no object of JSON.")
    return found
