"""Test the census in Locust's environment, which has gevent."""

from __future__ import annotations

import json
import subprocess

import pytest

from loadtests.options import ROOT

PYTHON = ROOT / ".venv-loadtests" / "bin" / "python"
PROGRAM = """
from gevent import monkey
monkey.patch_all()
import gevent, json, os, subprocess, sys, tempfile
from loadtests.census import Census

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
clock = iter(range(1000))
roots = {"the child": child.pid, "the parent": os.getpid(), "gone": 2**22 - 1}
census = Census(roots, lambda: float(next(clock)), 0.05)
gevent.sleep(0.2)
held = [tempfile.TemporaryFile() for _ in range(40)]
gevent.sleep(0.2)
child.terminate()
child.wait()
print(json.dumps(census.stop()))
"""


def test_processes_are_read_once_with_their_descriptors() -> None:
    if not PYTHON.exists():
        pytest.skip("`make loadtest` makes the environment of the load tests")
    done = subprocess.run([PYTHON, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    readings = json.loads(done.stdout)
    # The child has a root of its own and is not counted again below its parent.
    assert set(readings) == {"the child", "the parent"}
    descriptors = [value for _, value in readings["the parent"]["descriptors"]]
    assert descriptors[-1] >= descriptors[0] + 40
    assert all(value > 1e6 for _, value in readings["the parent"]["memory"])
    assert all(value >= 1 for _, value in readings["the child"]["threads"])
