"""Corpus and runs that are small enough to train in seconds."""

import dataclasses
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from training.fit.validation import METRIC, Validation
from training.pipeline.composition import compose
from training.pipeline.run_folder import RunFolder, create_run
from training.pipeline.stages import BEFORE_TRAINING, run_stages

SUBJECTS = ("cs.IR", "hep-th", "math.CO")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two hundred papers whose titles use the words of their abstracts."""
    rng = random.Random(0)
    syllables = "ba ce di fo gu ha je ki lo mu".split()
    words = [one + other for one in syllables for other in "ran sel tin vox zum lyr".split()]
    path = tmp_path_factory.mktemp("corpus") / "papers.jsonl"
    lines = []
    for number in range(200):
        own = rng.sample(words, 8)
        body = ". ".join(" ".join(rng.choices(own, k=10)).capitalize() for _ in range(4))
        lines.append(
            {"id": f"p{number}", "title": " ".join(rng.choices(own, k=5)), "abstract": f"{body}.",
             "categories": SUBJECTS[number % 3], "date": f"20{number // 12 + 10}-{number % 12 + 1:02}-01"}
        )  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture(scope="session")
def overrides(corpus: Path, tiny_model: Callable[[str], Path]) -> list[str]:
    """Return the configuration of a run that takes seconds."""
    return [
        "experiment=smoke", "data=papers", f"data.papers={corpus}", "model=custom", "tracking=none",
        f"model.source={tiny_model('bert')}", "model.max_length=32", "trainer.precision=fp32", "trainer.threads=1",
        "data.held_out_share=0.2", "data.validation_share=0.1", "trainer.batch_size=8",
        "data.mapping='id=id,title=title,abstract=abstract,categories=categories,published=date'",
    ]  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the data folder and the model repository to folders of the test."""
    monkeypatch.setenv("AKIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(tmp_path / "repository"))
    return tmp_path


@pytest.fixture
def prepared(environment: Path, overrides: list[str]) -> Callable[..., RunFolder]:
    """Return a function that makes a run whose stages before training are done."""

    def make(name: str, *more: str) -> RunFolder:
        run = create_run(environment / name, compose([*overrides, *more]))
        run_stages(run, BEFORE_TRAINING)
        return run

    return make


@pytest.fixture
def falling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each evaluation on the validation sets give a lower value than the previous one."""
    evaluations = itertools.count(1)
    monkeypatch.setattr(Validation, "__call__", lambda *_, **__: {METRIC: 1 / next(evaluations)})


def train_interrupted(run: RunFolder) -> None:
    """Train until the first evaluation on the validation sets."""
    from training.fit.fine_tune import fine_tune
    from training.pipeline.stages.train import make_task

    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(dataclasses.replace(make_task(run, run.configuration), should_stop=interrupt))


def train_killed(folder: Path) -> None:
    """Train in another process and kill it as soon as it has saved a checkpoint."""
    command = [sys.executable, "-m", "training.pipeline.stage", "train", "--folder", str(folder)]
    log = folder / "killed.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=dict(os.environ))
    deadline = time.monotonic() + 200
    while not list((folder / "train" / "checkpoints").glob("checkpoint-*/trainer_state.json")):
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
