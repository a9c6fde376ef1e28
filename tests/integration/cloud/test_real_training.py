"""Train `experiment=smoke` in a job whose machine is taken away once: `make check-cloud`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from akin.registry.versions import promoted_version
from akin.stack_settings import ROOT
from tests.integration.cloud.conftest import Akin
from tests.integration.cloud.fake_google import FakeGoogle
from tests.integration.cloud.test_jobs import train

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not (ROOT / ".venv-training/bin/python").exists(), reason="no environment for training: run `make setup`"
    ),
]


def test_a_training_goes_on_on_another_machine(google: FakeGoogle, akin: Akin, tmp_path: Path) -> None:
    script = google.folder / "bin/akin"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m akin "$@"\n')
    google.settings(accelerator="", save_seconds=1)
    google.take_away = 1
    code, out, said = train(akin, "experiment=smoke", "--name", "smoke", "--json")
    assert code == 0, said
    (job,) = google.jobs.values()
    assert job.starts == 2
    assert "this machine is taken away; the run is saved" in said
    assert "goes on from the copy" in said
    result = json.loads(out)
    assert result["run"]["training"]["after"]["MRR@10"] > 0
    assert "nDCG@10" in google.buckets.objects["shelf/akin/runs/smoke/report.md"].decode()
    code, _, said = akin("cloud", "take", "smoke")
    assert code == 0, said
    version = promoted_version(tmp_path / "models")
    assert version.digest == result["digest"]
    assert version.manifest["training"]["experiment"] == "smoke"
