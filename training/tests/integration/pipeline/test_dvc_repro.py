"""Run `dvc repro` on the sample papers, in a copy of the project: once, again without work, and with another value."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from training.pipeline.composition import ROOT

DVC = ROOT / ".venv-dvc" / "bin" / "dvc"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.long,
    pytest.mark.timeout(4 * 3600),
    pytest.mark.skipif(not DVC.exists(), reason="DVC has no environment yet: make .venv-dvc/ready"),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the tracked files, committed, with the environments of this one."""
    copy = tmp_path / "project"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    (copy / ".venv-training").symlink_to(ROOT / ".venv-training")
    # The test makes its own lock and metrics.
    for name in ("dvc.lock", "training/metrics.json"):
        (copy / name).unlink(missing_ok=True)
    run(copy, "git", "init", "-q")
    # A link is no folder, which .gitignore expects there.
    (copy / ".git" / "info" / "exclude").write_text("/.venv-training\n")
    commit(copy)
    return copy


def run(folder: Path, *command: str) -> str:
    environment = {
        **os.environ,
        "AKIN_DATA": str(folder / "data"),
        "AKIN_MODEL_REPOSITORY": str(folder / "data" / "repository"),
        "DVC_NO_ANALYTICS": "1",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def commit(folder: Path) -> None:
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit", "-q", "-m", "run")


def test_the_second_repro_runs_nothing_and_metrics_can_be_compared(project: Path) -> None:
    first = run(project, str(DVC), "repro")
    assert first.count("Running stage") == 8
    metrics = json.loads((project / "training/metrics.json").read_text())
    assert {"lexical", "compressed"} & {system for systems in metrics.values() for system in systems}
    assert len(list((project / "data" / "repository" / "text_encoder").glob("[0-9]*"))) == 1
    commit(project)
    assert "Running stage" not in run(project, str(DVC), "repro")
    assert not run(project, "git", "status", "--porcelain")
    parameters = project / "training/configs/pipeline.yaml"
    parameters.write_text(
        parameters.read_text().replace('overrides: ""', 'overrides: "trainer.learning_rate=0.001"'), "utf-8"
    )
    again = run(project, str(DVC), "repro")
    assert "Running stage 'train'" in again
    assert "Running stage 'prepare'" not in again
    compared = json.loads(run(project, str(DVC), "metrics", "diff", "--json", "HEAD"))
    changed = compared["training/metrics.json"]
    # A metric that only one of the two has, or that is no number, has no difference.
    assert any(each.get("diff") for each in changed.values())
    assert "trainer.learning_rate" in run(project, str(DVC), "params", "diff", "HEAD")
