"""Do the work of a training job in its container: fetch, train or go on with the training, and upload.

It may be stopped at any moment, and started again on another machine: what is done is in the bucket.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from akin.bundles import NothingThere, Place, push
from akin.cloud.google import GoogleApi
from akin.cloud.saving import Saving, restore
from akin.cloud.work import REPORT, RESULT, STATE, VERSION, Work
from akin.errors import BucketError, CloudError
from akin.registry.versions import CONFIG, EVALUATIONS, MODEL, SOURCES, find
from akin.sources import fetch_models, files_below
from akin.stack_settings import Settings

Say = Callable[[str], None]

GRACE_SECONDS = 15.0
"""Longest wait for a training that was told to end; a machine that is taken away has 30 s."""

STOPPED = 75
"""Exit code that Vertex AI does not take for permanent: it starts the container again. (sysexits: EX_TEMPFAIL)"""

FAILED = 1


def work(job: Work, settings: Settings, say: Say) -> int:
    """Do the work and return the exit code: 0 if the version is in the bucket, `STOPPED` if the machine is taken away.

    Raises:
        AkinError: Something is missing or was refused; the message says what.
    """
    place = Place(job.run)
    try:
        place.read(RESULT)
        say(f"{job.run} is done already")
        return 0
    except NothingThere:
        pass
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    runs = settings.data / "training"
    runs.mkdir(parents=True, exist_ok=True)
    name = restore(Place(f"{job.run}/{STATE}"), runs, say)
    secrets = {"WANDB_API_KEY": read_secret(job)} if job.wandb_secret else {}
    if job.models:
        try:
            fetch_models(settings.repository, job.models, say)
        except NothingThere:
            say(f"{job.models} has no models yet: the new version is compared with its base only")
    papers = fetch_papers(job, settings.data / "inputs") if job.papers else None
    saving = Saving(Place(f"{job.run}/{STATE}"), runs, job.save_seconds, say)
    saving.start()
    try:
        result = train(arguments(job, name, papers), settings, secrets, stopped)
    finally:
        saving.stop()
        # Also a failed training is kept: it can be looked into, and continued.
        saving.save()
    if result is None:
        say("this machine is taken away; the run is saved, and the next one goes on with it")
        return STOPPED
    upload(job, settings, result, say)
    return 0


def arguments(job: Work, run: str, papers: Path | None) -> list[str]:
    """Return the arguments of `akin train`: those of a new run, or those that continue one."""
    processes = ["--processes", str(job.processes)]
    if run:
        return ["--resume", run, *processes]
    wanted = list(job.overrides)
    if papers is not None:
        if not any(each.startswith(("experiment=", "data=")) for each in wanted):
            wanted.append("data=papers")
        wanted.append(f"data.papers={papers}")
    if job.wandb_secret and not any(each.startswith("tracking") for each in wanted):
        wanted += ["tracking=wandb", "tracking.mode=online"]
    return [*processes, *wanted]


def train(
    arguments: list[str], settings: Settings, secrets: dict[str, str], stopped: threading.Event
) -> dict[str, Any] | None:
    """Run `akin train`, and return what it prints; None if this machine is taken away.

    Raises:
        CloudError: The training failed.
    """
    folders = {"AKIN_DATA": str(settings.data), "AKIN_MODEL_REPOSITORY": str(settings.repository)}
    command = ["akin", "train", "--json", *arguments]
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, **folders, **secrets}, start_new_session=True
        )
    except OSError as error:
        raise CloudError(f"`akin train` cannot be started in this image: {error.strerror}.") from error
    printed: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: printed.append(process.stdout.read()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    try:
        while process.poll() is None:
            if stopped.wait(0.2):
                _end(process)
                return None
    except BaseException:
        _end(process)
        raise
    reader.join()
    if process.returncode:
        raise CloudError("the training failed (the reason is printed above); what it had done is in the bucket.")
    try:
        found: dict[str, Any] = json.loads(printed[0])
        found["version"]["number"]
    except (ValueError, KeyError, TypeError) as error:
        raise CloudError(f"`akin train` named no version: {printed[0][:200]!r}.") from error
    return found


def _end(process: subprocess.Popen[str]) -> None:
    """End a training and its processes: kindly, then not."""
    for number, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            continue


def fetch_papers(job: Work, folder: Path) -> Path:
    """Fetch the papers of a job unless they are here, and return their file.

    Raises:
        BucketError: They cannot be fetched, or are others than DVC knows.
    """
    target = folder / job.papers_name
    if target.is_file():
        return target
    address, _, name = job.papers.rpartition("/")
    md5 = hashlib.md5(usedforsecurity=False)
    aside = folder / f".{job.papers_name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            for part in Place(address).stream(name):
                md5.update(part)
                file.write(part)
        if job.papers_md5 and md5.hexdigest() != job.papers_md5:
            raise BucketError(f"{job.papers} is damaged: its MD5 is {md5.hexdigest()}. Run `dvc push` again.")
        aside.rename(target)
    except OSError as error:
        raise BucketError(f"the papers cannot be written: {error}.") from error
    return target


def read_secret(job: Work) -> str:
    """Return the value of the secret with the key of Weights & Biases; it is never printed.

    Raises:
        CloudError: It cannot be read.
    """
    api = GoogleApi(job.project, job.endpoints)
    path = f"projects/{job.project}/secrets/{job.wandb_secret}/versions/latest:access"
    answer = api.call("secretmanager", "GET", path)
    try:
        return base64.b64decode(answer["payload"]["data"], validate=True).decode("ascii").strip()
    except (KeyError, TypeError, ValueError) as error:
        raise CloudError(
            f"the secret {job.wandb_secret} holds no key: add a version with the key as its text."
        ) from error


def upload(job: Work, settings: Settings, result: dict[str, Any], say: Say) -> None:
    """Upload the version with its report and its weights, and the result last.

    Raises:
        AkinError: The version is missing, or something cannot be uploaded.
    """
    repository, number = settings.repository, int(result["version"]["number"])
    version = find(repository, number)
    report = repository / MODEL / EVALUATIONS / version.digest
    files: dict[str, Path] = {}
    for folder in (str(number), f"{EVALUATIONS}/{version.digest}", SOURCES):
        files |= files_below(repository, f"{MODEL}/{folder}")
    files[f"{MODEL}/{CONFIG}"] = repository / MODEL / CONFIG
    bundle = push(Place(f"{job.run}/{VERSION}"), "version", f"{MODEL}-{number}", files, say)
    place = Place(job.run)
    if (report / "report.md").is_file():
        place.upload(REPORT, report / "report.md")
    described = {"version": number, "digest": version.digest, "bundle": bundle.digest}
    place.write(RESULT, json.dumps({**described, "run": result}, indent=2, ensure_ascii=False).encode() + b"\n")
    say(f"version {number} ({version.digest[:12]}) and its report are in {job.run}")


def log(message: str) -> None:
    """Write a line to the log of the container."""
    print(f"job: {message}", file=sys.stderr, flush=True)
