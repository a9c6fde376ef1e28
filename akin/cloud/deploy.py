"""Bring a service of Cloud Run to a new revision: build, push, deploy, test, give it the traffic, or go back.

`deploy/promote` has the steps that test a revision and move the traffic; promotions of encoders use them too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from akin.cloud.config import Cloud
from akin.cloud.google import ROLES, find_permission
from akin.cloud.render import PARTS, service_file
from akin.errors import AkinError, CloudError
from akin.installation import ROOT

Say = Callable[[str], None]
TAG = "candidate"


@dataclass(frozen=True)
class Deployment:
    """Deployment of one service.

    Attributes:
        cloud: The settings; their tag is that of the images.
        part: `api` or `page`.
        models: Source of the models, with a digest.
        snapshot: Source of the snapshot, with a digest.
        say: Called with messages.
    """

    cloud: Cloud
    part: str
    models: str
    snapshot: str
    say: Say

    @property
    def service(self) -> str:
        """Return the name of the service."""
        return str(getattr(self.cloud.serve, PARTS[self.part]))

    def build(self, revision: str) -> None:
        """Build and push the images with Cloud Build, under the tag of the settings.

        Raises:
            CloudError: The build failed.
        """
        given = {"_REGION": self.cloud.region, "_REPOSITORY": self.cloud.repository, "_TAG": self.cloud.tag}
        values = ",".join(f"{key}={value}" for key, value in {**given, "_REVISION": revision}.items())
        self.say(f"building the images {self.cloud.images}/…:{self.cloud.tag}")
        account = self.cloud.build_account
        acting = [f"--service-account=projects/{self.cloud.project}/serviceAccounts/{account}"] if account else []
        # The source goes to the project's own bucket, so that the account of the builds needs no right on another.
        staging = f"--gcs-source-staging-dir={self.cloud.below('builds')}"
        config = ["--config=cloudbuild.yaml", f"--substitutions={values}", staging, *acting]
        self._gcloud("builds", "submit", *self._where(), *config, str(ROOT))

    def run(self) -> str:
        """Deploy a new revision, test it, give it all traffic and test again; return its name.

        Raises:
            CloudError: A step failed. The revision that served before has all traffic, as it had.
        """
        before = self._serving()
        revision = f"{self.service}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        traffic: list[dict[str, Any]] = [{"revisionName": before, "percent": 100}] if before else []
        # The first revision of a service cannot wait without traffic: there is nothing else that could have it.
        traffic.append({"revisionName": revision, "tag": TAG, "percent": 0 if before else 100})
        content = service_file(self.cloud, self.part, revision, self.models, self.snapshot, traffic)
        self.say(f"deploying {revision}" + (f"; {before} keeps the traffic" if before else ""))
        with TemporaryDirectory() as folder:
            file = Path(folder) / "service.yaml"
            file.write_text(content, "utf-8")
            (Path(folder) / "before").write_text(before)
            self._gcloud("run", "services", "replace", str(file), *self._where())
            try:
                self._step(folder, "smoke", "candidate")
                if before:
                    self._step(folder, "switch")
                self._step(folder, "smoke", "live")
            except BaseException as error:
                self._go_back(folder, before, error)
                raise
        self.say(f"{revision} serves")
        return revision

    def _go_back(self, folder: str, before: str, error: BaseException) -> None:
        if not before:
            self.say("there is no earlier revision to go back to: this one stays")
            return
        try:
            self._step(folder, "rollback")
            self.say(f"{before} has all traffic again")
        except AkinError as second:
            self.say(f"the traffic could not be given back to {before} ({second}): do it by hand, docs/cloud.md")

    def _serving(self) -> str:
        """Return the revision with the most traffic; empty if the service does not exist yet."""
        try:
            text = self._gcloud("run", "services", "describe", self.service, "--format=json", *self._where())
        except CloudError as error:
            if re.search(r"cannot find service|NOT_FOUND|could not be found", str(error), re.IGNORECASE):
                return ""
            raise
        try:
            traffic = json.loads(text)["status"].get("traffic", [])
            most: dict[str, Any] = max(traffic, key=lambda each: each.get("percent", 0), default={})
            return str(most.get("revisionName", ""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CloudError(f"gcloud described {self.service} in an unknown form: {text[:200]!r}.") from error

    def _where(self) -> tuple[str, ...]:
        return f"--region={self.cloud.region}", f"--project={self.cloud.project}", "--quiet"

    def _gcloud(self, *arguments: str) -> str:
        return _run(["gcloud", *arguments], dict(os.environ), self.cloud.project)

    def _step(self, folder: str, *step: str) -> None:
        self.say(" ".join(step))
        names = {"REGION": self.cloud.region, "PROJECT": self.cloud.project, "SERVICE": self.service, "STAGED": folder}
        path = "/" if self.part == "page" else ""
        _run([str(ROOT / "deploy/promote"), *step], {**os.environ, **names, "SMOKE_PAGE": path}, self.cloud.project)


def _run(command: Sequence[str], environment: dict[str, str], project: str) -> str:
    """Run a program, and return what it prints.

    Raises:
        CloudError: It is missing, or failed; the message has its last lines, and the role if one is missing.
    """
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    except OSError as error:
        raise CloudError(
            f"{command[0]} cannot be started ({error.strerror}): install the Google Cloud CLI, "
            "https://cloud.google.com/sdk/docs/install"
        ) from error
    if done.returncode:
        told = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reason = " ".join(told[-4:])[:800] or f"exit code {done.returncode}"
        raise CloudError(f"{' '.join(command[:4])} failed: {reason}{_role(reason, project)}")
    return done.stdout


def _role(text: str, project: str) -> str:
    """Return the role that a message of gcloud shows to be missing."""
    if not re.search(r"PERMISSION_DENIED|does not have permission|denied on|403", text):
        return ""
    deploying = {
        "run.": "roles/run.developer on the services",
        "cloudbuild.": "roles/cloudbuild.builds.editor on the project",
        "artifactregistry.": "roles/artifactregistry.writer on the repository of images",
        **{key: f"{role} on {where.format(project=project)}" for key, (role, where) in ROLES.items()},
    }
    key, _ = find_permission(text, deploying)
    return f" Missing: {deploying[key]} (docs/cloud.md)." if key else " docs/cloud.md lists the roles of each step."
