"""Run `akin cloud deploy` to its end with stand-ins for gcloud and curl: it serves, or everything is as before."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from akin.bundles import Place, push
from akin.cli import app
from akin.errors import AkinError
from tests.unit.bundles.bucket_server import BucketServer, bucket_server

CURL = """#!/bin/sh
echo "curl $*" >> "$FAKE/log"
case "$*" in
  *$BROKEN*) [ -n "$BROKEN" ] && exit 22 ;;
esac
case "$*" in
  *v1/search*) echo "$ANSWER" ;;
  *) echo "<html><title>Akin</title></html>" ;;
esac
"""
Deploy = Callable[..., tuple[int, str]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[BucketServer]:
    """Serve a bucket with models and a snapshot."""
    (tmp_path / "file").write_text("x")
    with bucket_server() as running:
        monkeypatch.setenv("GOOGLE_BASE_URL", running.url)
        monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "a-token")
        for kind in ("models", "snapshot"):
            push(Place(f"gs://shelf/akin/{kind}"), kind, f"a-{kind}", {f"a/{kind}": tmp_path / "file"})
        yield running


@pytest.fixture
def deploy(
    server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Deploy:
    """Return a function that deploys, and returns the exit code and what was said."""
    (tmp_path / "bin").mkdir()
    gcloud = f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("fake_gcloud.py")} "$@"\n'
    for name, script in {"gcloud": gcloud, "curl": CURL}.items():
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(stat.S_IRWXU)
    (tmp_path / "cloud.toml").write_text(
        'project = "shelf-project"\nregion = "earth-north1"\nbucket = "gs://shelf/akin"\ntag = "v1"\n'
        'build_account = "builder@p.example"\n'
        '[serve]\nservice_account = "server@p.example"\npage_account = "page@p.example"\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    variables = {"FAKE": str(tmp_path), "BROKEN": "", "ANSWER": '{"results": [1]}', "SMOKE_TRIES": "2"}
    for name, value in {**variables, "SMOKE_SECONDS": "0"}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, **changed: str) -> tuple[int, str]:
        code = 0
        (tmp_path / "log").write_text("")
        with monkeypatch.context() as patch:
            for name, value in changed.items():
                patch.setenv(name, value)
            try:
                app(["cloud", "deploy", *arguments], standalone_mode=False)
            except AkinError as error:
                code = error.exit_code
                print(f"akin: {error}", file=sys.stderr)
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "log").read_text().splitlines()


def traffic(tmp_path: Path) -> dict[str, int]:
    """Return the share of each revision that has one."""
    status = json.loads((tmp_path / "service.json").read_text())["status"]
    return {each["revisionName"]: each["percent"] for each in status["traffic"] if each["percent"]}


def serve(tmp_path: Path) -> None:
    """Let a revision serve already."""
    status: dict[str, Any] = {"url": "https://live.example", "traffic": [{"revisionName": "akin-old", "percent": 100}]}
    (tmp_path / "service.json").write_text(json.dumps({"status": status}))


def test_a_revision_is_tested_before_and_after_it_gets_the_traffic(deploy: Deploy, tmp_path: Path) -> None:
    serve(tmp_path)
    code, said = deploy("api", "--build", "--revision", "abc123", "--json")
    assert code == 0, said
    result, _ = json.JSONDecoder().raw_decode(said)
    assert traffic(tmp_path) == {result["revision"]: 100}
    service = yaml.safe_load((tmp_path / "service.yaml").read_text())
    assert [(each["percent"], each.get("tag")) for each in service["spec"]["traffic"]] == [
        (100, None),
        (0, "candidate"),
    ]
    variables = {
        each["name"]: each["value"]
        for container in service["spec"]["template"]["spec"]["containers"]
        for each in container["env"]
    }
    # Every instance of the revision starts with the files that were the latest when it was deployed.
    assert variables["AKIN_MODELS_SOURCE"] == result["models"]
    assert result["snapshot"].startswith("gs://shelf/akin/snapshot@")
    made = calls(tmp_path)
    build = made[0]
    where = "--region=earth-north1 --project=shelf-project --quiet"
    assert build.startswith(f"gcloud builds submit {where} --config=cloudbuild.yaml")
    assert "_REGION=earth-north1,_REPOSITORY=akin,_TAG=v1,_REVISION=abc123" in build
    assert "--gcs-source-staging-dir=gs://shelf/akin/builds" in build
    assert "--service-account=projects/shelf-project/serviceAccounts/builder@p.example" in build
    steps = [
        next(
            (name for name in ("replace", "candidate.example/v1", "update-traffic", "live.example/v1") if name in each),
            "",
        )
        for each in made
    ]
    assert [each for each in steps if each] == ["replace", "candidate.example/v1", "update-traffic", "live.example/v1"]


def test_the_page_is_tested_by_its_title(deploy: Deploy, tmp_path: Path) -> None:
    serve(tmp_path)
    code, said = deploy("page")
    assert code == 0, said
    asked = [each for each in calls(tmp_path) if each.startswith("curl")]
    assert len(asked) == 2
    assert asked[0].endswith("https://candidate.example/")


def test_the_first_revision_gets_the_traffic_at_once(deploy: Deploy, tmp_path: Path) -> None:
    code, said = deploy("api")
    assert code == 0, said
    (revision,) = traffic(tmp_path)
    assert revision.startswith("akin-")
    assert not any("update-traffic" in each for each in calls(tmp_path))


@pytest.mark.parametrize(
    "broken", [{"BROKEN": "candidate.example"}, {"BROKEN": "live.example"}, {"ANSWER": '{"results": []}'}]
)
def test_a_revision_that_fails_its_test_gets_no_traffic(deploy: Deploy, tmp_path: Path, broken: dict[str, str]) -> None:
    serve(tmp_path)
    code, said = deploy("api", **broken)
    assert code == 13
    assert "akin-old has all traffic again" in said
    assert traffic(tmp_path) == {"akin-old": 100}


def test_a_rollback_that_fails_too_is_said(deploy: Deploy, tmp_path: Path) -> None:
    serve(tmp_path)
    code, said = deploy("api", BROKEN="candidate.example", REFUSE="update-traffic", REASON="ERROR: down")
    assert code == 13
    assert "could not be given back to akin-old" in said
    assert said.splitlines()[-1].startswith("akin: ")


@pytest.mark.parametrize(
    ("step", "reason", "said"),
    [
        (
            "replace",
            "ERROR: (gcloud.run.services.replace) PERMISSION_DENIED: Permission 'run.services.update' denied",
            "roles/run.developer",
        ),
        (
            "replace",
            "ERROR: PERMISSION_DENIED: Permission 'iam.serviceaccounts.actAs' denied on service account",
            "roles/iam.serviceAccountUser",
        ),
        ("describe", "ERROR: 403 The caller does not have permission", "docs/cloud.md lists the roles"),
        (
            "builds submit",
            "ERROR: PERMISSION_DENIED: cloudbuild.builds.create denied on project",
            "roles/cloudbuild.builds.editor",
        ),
        ("replace", "ERROR: Image 'x' not found", "Image 'x' not found"),
    ],
)
def test_a_refusal_names_the_role_and_nothing_has_changed(
    deploy: Deploy, tmp_path: Path, step: str, reason: str, said: str
) -> None:
    serve(tmp_path)
    code, told = deploy("api", "--build", REFUSE=step, REASON=reason)
    assert code == 13
    assert said in told
    assert traffic(tmp_path) == {"akin-old": 100}


def test_without_gcloud_the_next_step_is_said(deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "bin/gcloud").unlink()
    code, said = deploy("api", PATH=str(tmp_path / "bin"))
    assert code == 13
    assert "install the Google Cloud CLI" in said


def test_nothing_is_deployed_without_files_to_start_with(deploy: Deploy, server: BucketServer, tmp_path: Path) -> None:
    del server.objects["shelf/akin/snapshot/LATEST"]
    code, said = deploy("api")
    assert (code, calls(tmp_path)) == (12, [])
    assert "nothing was pushed to gs://shelf/akin/snapshot" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("both",),
        ("api", "--models", "gs://shelf/akin/snapshot"),
        ("api", "--snapshot", f"gs://shelf/akin/snapshot@{'0' * 64}"),
    ],
)
def test_what_cannot_be_deployed_is_refused_before_anything_is_asked(
    deploy: Deploy, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    code, _ = deploy(*arguments)
    assert code in (2, 12)
    assert calls(tmp_path) == []
