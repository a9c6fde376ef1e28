"""Step `tests`: the tests marked `gpu` that need no server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.gpu_check.job import Job, NotRun, Recorder

_ROOT = Path(__file__).resolve().parents[3]


def run(job: Job, record: Recorder) -> None:
    """Run `tests/gpu` without the fixtures of the other tests, whose packages need not be here.

    The number of passed tests is recorded for each file as soon as its tests have ended.
    """
    try:
        import msgspec  # noqa: F401
        import pytest  # noqa: F401
    except ImportError as error:
        raise NotRun(f"the tests need the package {error.name}: put it into GPU_WHEELS.") from error
    command = [sys.executable, "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "-v", "-m", "gpu"]
    command += ["-c", str(_ROOT / "tests/gpu/pytest.ini"), "--rootdir", str(_ROOT), "tests/gpu"]
    environment = {**os.environ, "AKIN_GPU_CHECK_DEVICE": job.device, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    passed: dict[str, int] = {}
    current, last = "", "pytest printed nothing"
    for line in process.stdout:
        print(line, end="", file=sys.stderr)
        last = line.strip() or last
        if not (found := re.match(r"(tests/gpu/\S+?\.py)::.* (PASSED|FAILED|ERROR|SKIPPED)", line)):
            continue
        if found[1] != current and current:
            record.row("tests marked gpu", current, "passed", passed[current])
        current = found[1]
        passed[current] = passed.get(current, 0) + (found[2] == "PASSED")
    code = process.wait()
    if current:
        record.row("tests marked gpu", current, "passed", passed[current])
    record.line(f"tests marked gpu on {job.device}: {last.strip('= ')}")
    record.goal("every test marked gpu passes", code == 0 and sum(passed.values()) > 0)
