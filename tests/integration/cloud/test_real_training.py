"""Train for real in a job whose machine is taken away once, with a model made for this: `make check-cloud`."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from akin.registry.versions import promoted_version
from akin.stack_settings import ROOT
from tests.integration.cloud.conftest import Akin
from tests.integration.cloud.fake_google import FakeGoogle
from tests.integration.cloud.test_jobs import train

PYTHON = ROOT / ".venv-training/bin/python"

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not PYTHON.exists(), reason="no environment for training: run `make setup`"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an encoder of some layers."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    code = "import pathlib, sys, tiny_encoders as made; made.build(made.Shape(), pathlib.Path(sys.argv[1]))"
    subprocess.run([PYTHON, "-c", code, folder], cwd=ROOT / "training/tests", check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write papers whose titles use the words of their abstracts."""
    rng = random.Random(0)
    words = [one + other for one in "ba ce di fo gu ha je ki lo mu".split() for other in "ran sel tin vox zum".split()]
    lines = []
    for number in range(200):
        own = rng.sample(words, 8)
        abstract = ". ".join(" ".join(rng.choices(own, k=10)).capitalize() for _ in range(4))
        date = f"20{number // 12 + 10}-{number % 12 + 1:02}-01"
        title = " ".join(rng.choices(own, k=5))
        paper = {"id": f"p{number}", "title": title, "abstract": f"{abstract}.", "categories": "cs.IR", "date": date}
        lines.append(json.dumps(paper))
    path = tmp_path_factory.mktemp("papers") / "papers.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_a_training_goes_on_on_another_machine(
    google: FakeGoogle, akin: Akin, model: Path, papers: Path, tmp_path: Path
) -> None:
    script = google.folder / "bin/akin"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m akin "$@"\n')
    google.settings(accelerator="", save_seconds=0.5, papers=str(papers))
    google.take_away = 1
    small = (
        "experiment=smoke", "data=papers", "model=custom", f"model.source={model}", "model.max_length=32",
        "tracking=none", "trainer.precision=fp32", "trainer.threads=1", "trainer.batch_size=8",
        "data.held_out_share=0.2", "data.validation_share=0.1",
        "data.mapping='id=id,title=title,abstract=abstract,categories=categories,published=date'",
    )  # fmt: skip
    code, out, said = train(akin, *small, "--name", "smoke", "--json")
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
