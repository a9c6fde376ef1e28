"""Step `tests`: the tests marked `gpu` that need no server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu_check.job import Job, NotRun, Recorder
from benchmarks.gpu_check.steps.machine import require_device

_ROOT = Path(__file__).resolve().parents[3]


def run(job: Job, record: Recorder) -> None:
    """Run `tests/gpu` without the fixtures of the other tests, whose packages need not be here."""
    require_device(job)
    try:
        import msgspec  # noqa: F401
        import pytest  # noqa: F401
    except ImportError as error:
        raise NotRun(f"the tests need the package {error.name}: put it into GPU_WHEELS.") from error
    command = [sys.executable, "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "-q", "-m", "gpu"]
    command += ["-c", str(_ROOT / "tests/gpu/pytest.ini"), "--rootdir", str(_ROOT), "tests/gpu"]
    environment = {**os.environ, "AKIN_GPU_CHECK_DEVICE": job.device}
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    summary = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "pytest printed nothing"
    record.line(f"tests marked gpu on {job.device}: {summary}")
    record.goal("every test marked gpu passes", done.returncode == 0 and bool(re.search(r"\d+ passed", summary)))
