"""Step `recipe`, run only if it is named: the whole training `experiment=arxiv_gpu`, without export and evaluation."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from benchmarks.gpu_check.job import Job, NotRun, Recorder, step_folder
from benchmarks.gpu_check.steps.machine import require_device
from benchmarks.gpu_check.texts import compose_texts

SYSTEM = "experiment=arxiv_gpu"
_DRY = (
    "trainer.device=cpu", "trainer.batch_size=8", "trainer.steps=4", "trainer.evaluate_every=4", "trainer.log_every=1",
    "trainer.save_every=4", "trainer.workers=0", "trainer.precision=fp32", "trainer.threads=1", "model.max_length=32",
    "data.held_out_share=0.2", "data.validation_share=0.1",
    # Composed papers have none of these.
    *(f"pairs.shares.{kind}=0" for kind in ("keywords", "claim", "question")),
)  # fmt: skip


def run(job: Job, record: Recorder) -> None:
    """Train; the rate and the extrapolated time are recorded while it runs, and what it reached at its end."""
    require_device(job)
    try:
        # By name: this environment's type checker has no room `training`.
        names = ("composition", "run_folder", "stages")
        composition, run_folder, stages = (import_module(f"training.pipeline.{name}") for name in names)
    except ImportError as error:
        raise NotRun(
            f"it needs the training environment (no {error.name} here): run the check with .venv-training/bin/python."
        ) from error
    if job.on_gpu and not job.papers:
        raise NotRun("it trains on papers: name a file of at least a hundred thousand with --papers.")
    folder = step_folder(job, "recipe")
    os.environ |= {"AKIN_DATA": str(folder), "AKIN_MODEL_REPOSITORY": str(folder / "models")}
    papers = job.papers or str(write_papers(folder / "papers.jsonl"))
    changes = [f"data.papers={papers}", "tracking=none", "model=custom", f"model.source={job.model}"]
    configuration = composition.compose([SYSTEM, *changes, *(() if job.on_gpu else _DRY)])
    made = run_folder.create_run(folder / "run", configuration)
    begun = time.perf_counter()
    stages.run_stages(made, stages.BEFORE_TRAINING)
    record.row(SYSTEM, "pairs and hard negatives", "preparation", time.perf_counter() - begun, "s")
    stage = made.stage_folder("train")
    with watched(stage, record):
        stages.run_stages(made, ["train"])
    report = json.loads((stage / "figures.json").read_text())
    for when in ("before", "after"):
        record.row(SYSTEM, "validation", f"MRR@10 {when}", report[when]["MRR@10"])
    record.row(SYSTEM, f"{report['steps']:,} steps", "whole training", report["seconds"], "s")


def write_papers(path: Path) -> Path:
    """Write composed papers with the fields of a corpus and abstracts of several sentences, for a dry run."""
    lines = [
        {"id": str(number), "title": paper.title, "abstract": sentences(paper.abstract),
         "categories": "cs.LG", "update_date": f"20{number // 12 % 20 + 10}-{number % 12 + 1:02}-01"}
        for number, paper in enumerate(compose_texts(240))
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def sentences(text: str) -> str:
    """Return the words of a text as sentences of ten words."""
    words = text.split()
    return " ".join(f"{' '.join(words[at : at + 10]).capitalize()}." for at in range(0, len(words), 10))


@contextmanager
def watched(stage: Path, record: Recorder) -> Iterator[None]:
    """Record the rate after 1, 2, 4, … lines of the trainer's figures while the block runs."""
    ended = threading.Event()

    def look() -> None:
        told, last = 0, False
        while not last:
            last = ended.wait(1.0)
            lines = [json.loads(line) for path in stage.glob("metrics.jsonl") for line in path.read_text().splitlines()]
            found = [line for line in lines if "pairs_per_second" in line]
            if len(found) >= max(1, 2 * told) or (last and len(found) > told):
                told = len(found)
                dataset = f"after {found[-1]['step']:,} steps"
                record.row(SYSTEM, dataset, "pairs/s", found[-1]["pairs_per_second"], "/s")

    thread = threading.Thread(target=look, name="figures")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
