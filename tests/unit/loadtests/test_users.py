"""Test the users in Locust's environment: importing Locust replaces parts of the standard library."""

from __future__ import annotations

import json
import subprocess

import pytest

from loadtests.options import ROOT, SCENARIOS

PYTHON = ROOT / ".venv-loadtests" / "bin" / "python"

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import json
from loadtests.queries import QuerySource
from loadtests.service import Target
from akin.papers import Paper
from loadtests.users import USERS_OF_SCENARIO, ReferenceUser, needs_triton, user_classes

papers = [Paper(f"{n}", f"Title {n} of many", f"Abstract {n} of all. It says {n} twice.") for n in range(400)]
queries = QuerySource(papers)
target = Target("http://127.0.0.1:9", 400, "sample", "s1", 1, {}, None)
classes = {name: user_classes(name, queries, target, "127.0.0.1:8") for name in USERS_OF_SCENARIO}
played = {name: [user.__name__ for user in chosen] for name, chosen in classes.items()}
tasks = [task.__name__ for task in ReferenceUser.tasks]
waits = [ReferenceUser.wait_time(None) for _ in range(500)]
print(json.dumps({
    "played": played,
    "triton": [name for name in USERS_OF_SCENARIO if needs_triton(name)],
    "tasks": {name: tasks.count(name) for name in set(tasks)},
    "waits": [min(waits), max(waits)],
    "host": ReferenceUser.host,
}))
"""


@pytest.mark.skipif(not PYTHON.exists(), reason="Locust's environment is not set up: make .venv-loadtests/ready")
def test_scenarios_have_their_users_and_the_reference_mix_has_its_shares() -> None:
    done = subprocess.run([PYTHON, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["played"]) == set(SCENARIOS)
    assert found["played"]["reference"] == ["ReferenceUser"]
    assert found["triton"] == ["triton", "mixed"]
    assert found["tasks"] == {"short_search": 5, "long_search": 3, "embed": 2, "health": 1}
    assert 0.5 <= found["waits"][0] < 0.7
    assert 2.3 < found["waits"][1] <= 2.5
    assert found["host"] == "http://127.0.0.1:9"
