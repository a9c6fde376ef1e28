"""Run deploy/promote with stand-ins for the cloud, the image builder, the service and akin."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from akin.stack_settings import ROOT

DIGEST = "ab" * 32
VARIABLES = {
    "VERSION": "2",
    "DIGEST": DIGEST,
    "GITHUB_SHA": "0123456789abcdef0123",
    "GITHUB_REPOSITORY": "eva/shelf",
    "IMAGES": "earth1-docker.example/p/shelf",
    "MODELS_URL": "gs://models",
    "CORPUS_URL": "gs://corpus/papers.jsonl.gz",
    "EVALUATION_URL": "gs://sets",
    "RELEASES_URL": "gs://releases",
    "REGION": "earth1",
    "PROJECT": "project",
    "SERVICE": "papers",
}
TAG = "encoder-2-0123456789ab"
SERVICE = {
    "status": {
        "url": "https://papers.example",
        "traffic": [
            {"revisionName": "papers-7", "percent": 100},
            {"revisionName": "papers-8", "tag": "candidate", "url": "https://candidate.example"},
        ],
    }
}
LOG = """#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$LOG"
"""
GCLOUD = f"""{LOG}
case "$*" in
  "storage rsync --recursive gs://sets "*) mkdir -p "$5/cranes" ;;
  "run services describe "*) echo '{json.dumps(SERVICE)}' ;;
  "auth print-identity-token") echo token ;;
esac
"""
AKIN = f"""{LOG}
case "$*" in
  "fetch models gs://models")
    mkdir -p "$AKIN_MODEL_REPOSITORY/text_encoder/2"
    echo 1 > "$AKIN_MODEL_REPOSITORY/text_encoder/PROMOTED"
    echo '{{"digest": "{DIGEST}"}}' > "$AKIN_MODEL_REPOSITORY/text_encoder/2/manifest.json" ;;
  push*) echo "$3@{DIGEST}" ;;
esac
"""
CURL = f"""{LOG}
case "$*" in
  *health/ready) [ -z "$NEVER_READY" ] ;;
  *) echo "${{ANSWER:-{{\\"results\\": [1]}}}}" ;;
esac
"""

Run = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs steps, and returns the last exit status, its error, and every call that was made."""
    (tmp_path / "bin").mkdir()
    for name, script in {"gcloud": GCLOUD, "docker": LOG, "curl": CURL, "akin": AKIN}.items():
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    log = tmp_path / "log"

    def steps(*names: str, **changed: str) -> tuple[int, str, list[str]]:
        environment = {
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "AKIN": "akin",
            "STAGED": str(tmp_path / "staged"),
            "LOG": str(log),
            "NEVER_READY": "",
            "SMOKE_TRIES": "2",
            "SMOKE_SECONDS": "0",
            **VARIABLES,
            **changed,
        }
        log.write_text("")
        for name in names:
            command = [ROOT / "deploy/promote", *name.split()]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                break
        return done.returncode, done.stderr, log.read_text().splitlines()

    return steps


def test_an_image_of_an_unknown_repository_is_labelled_with_the_commit_alone(run: Run) -> None:
    _, error, calls = run("stage", "evaluate", "build", GITHUB_REPOSITORY="")
    (built,) = (call for call in calls if call.startswith("docker "))
    assert "--build-arg=REVISION=" in built, error
    assert "SOURCE" not in built


def test_a_version_is_evaluated_promoted_indexed_deployed_tested_and_recorded(run: Run, tmp_path: Path) -> None:
    code, error, calls = run(
        "stage", "evaluate", "build", "deploy", "smoke candidate", "switch", "smoke live", "record"
    )
    assert (code, error) == (0, "")
    staged = tmp_path / "staged"
    ours = [call for call in calls if call.startswith("akin ")]
    assert ours == [
        "akin fetch models gs://models",
        f"akin evaluate 1 2 --set {staged}/sets/cranes/",
        "akin encoder promote 2",
        f"akin index build {staged}/corpus-papers.jsonl.gz",
        "akin push models gs://releases/models",
        "akin push snapshot gs://releases/snapshot",
        "akin push models gs://models",
    ]
    (built,) = (call for call in calls if call.startswith("docker "))
    assert f"--tag=earth1-docker.example/p/shelf/retrieval:{TAG}" in built
    assert f"--build-arg=REVISION={VARIABLES['GITHUB_SHA']} --build-arg=SOURCE=https://github.com/eva/shelf " in built
    assert "--sbom=true --provenance=mode=max" in built
    (update,) = (call for call in calls if call.startswith("gcloud run services update papers"))
    assert "--no-traffic --tag=candidate" in update
    # Each container gets its own image and its own files, by their digest.
    retrieval, triton = update.split("--container=retrieval ")[1].split(" --container=triton ")
    assert retrieval == (
        f"--image=earth1-docker.example/p/shelf/retrieval:{TAG} "
        f"--update-env-vars=AKIN_SNAPSHOT_SOURCE=gs://releases/snapshot@{DIGEST}"
    )
    assert triton == f"--update-env-vars=AKIN_MODELS_SOURCE=gs://releases/models@{DIGEST}"
    asked = [call for call in calls if call.startswith("curl")]
    assert ["candidate.example" in call for call in asked] == [True, True, False, False]
    switched = [call for call in calls if "update-traffic" in call]
    assert len(switched) == 1
    assert switched[0].endswith("--to-tags=candidate=100")
    # What other machines read is changed last.
    assert calls[-1] == "akin push models gs://models"
    assert calls.index(switched[0]) < calls.index(asked[-1]) < len(calls) - 1


@pytest.mark.parametrize("broken", [{"NEVER_READY": "yes"}, {"ANSWER": '{"results": []}'}])
def test_a_failed_test_is_an_error_and_the_traffic_goes_back(run: Run, broken: dict[str, str]) -> None:
    assert run("stage", "evaluate", "build", "deploy")[0] == 0
    code, error, _ = run("smoke candidate", **broken)
    assert code == 2
    assert "https://candidate.example" in error
    code, _, calls = run("rollback")
    assert (code, calls[-1].endswith("--to-revisions=papers-7=100")) == (0, True)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"VERSION": "2; rm -rf /"}, "no number"),
        ({"VERSION": "../2"}, "no number"),
        ({"DIGEST": "$(id)"}, "no SHA-256"),
        ({"DIGEST": "cd" * 32}, "another digest"),
        ({"VERSION": "3"}, "has no version 3"),
        ({"MODELS_URL": ""}, "MODELS_URL is not set"),
    ],
)
def test_an_odd_event_is_refused_before_anything_is_changed(run: Run, changed: dict[str, str], said: str) -> None:
    code, error, calls = run("stage", **changed)
    assert code == 2
    assert said in error
    assert all(call.startswith(("gcloud storage", "akin fetch")) for call in calls)


def test_nothing_is_built_where_the_version_serves_already(run: Run, tmp_path: Path) -> None:
    assert run("stage")[0] == 0
    (tmp_path / "staged/models/text_encoder/PROMOTED").write_text("2\n")
    code, error, calls = run("evaluate")
    assert (code, calls) == (2, [])
    assert "serves already" in error


def test_the_commands_of_akin_exist() -> None:
    from akin.cli import app

    called = re.findall(r'"\$akin" ([a-z]+)(?: ([a-z]+))?', (ROOT / "deploy/promote").read_text("utf-8"))
    assert set(called) == {
        ("evaluate", ""),
        ("encoder", "promote"),
        ("fetch", "models"),
        ("index", "build"),
        ("push", "models"),
        ("push", "snapshot"),
    }
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for group, command in called:
        assert group in commands
        assert not command or command in commands[group].commands
