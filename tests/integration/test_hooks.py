"""Run the hooks of pre-commit over all files, in a copy, as some of them change files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.removals.run import Copy


def test_every_hook_passes_over_all_files(tmp_path: Path) -> None:
    root = tmp_path / "project"
    Copy(root)
    # `make check` runs these three.
    environment = {**os.environ, "SKIP": "ruff,format,mypy", "PRE_COMMIT_HOME": str(tmp_path / "hooks")}
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "--all"],
        [Path(sys.executable).parent / "pre-commit", "run", "--all-files"],
    ):
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") >= 12
