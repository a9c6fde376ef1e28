"""Step `train`: a slice of training, for pairs a second; the time of an epoch is extrapolated from it."""

from __future__ import annotations

import functools
import time
from typing import Any

from benchmarks.gpu_check.job import Job, NotRun, Recorder, step_folder
from benchmarks.gpu_check.steps.machine import require_device
from benchmarks.gpu_check.texts import read_texts

PAPERS = 100_000
_WARM = 3
"""Steps before the clock starts."""


def run(job: Job, record: Recorder) -> None:
    """Train on pairs of title and abstract with two losses, each for half of the time at most; nothing is saved."""
    require_device(job)
    try:
        import datasets  # noqa: F401
    except ImportError as error:
        raise NotRun(
            f"the trainer of sentence-transformers needs the package {error.name}: put it into GPU_WHEELS."
        ) from error
    kinds = [("mnrl", 256 if job.on_gpu else 8), ("cached_mnrl", 2048 if job.on_gpu else 16)]
    for at, (loss, batch) in enumerate(kinds):
        # Loading and the first steps take seconds too. A rate of twenty seconds is that of a minute.
        seconds = min(20.0, max(2.0, record.left / (len(kinds) - at) - 10)) if job.on_gpu else 0.2
        work = functools.partial(slice_of, job, loss, batch, seconds)
        found = record.attempt(f"training with {loss}", work)
        if found:
            system = f"{loss}, batch {batch}, {'bf16' if job.on_gpu else 'FP32'}"
            record.row(system, "title and abstract", "pairs/s", found, "/s")
            record.row(system, f"{PAPERS:,} papers, extrapolated", "one epoch", PAPERS / found, "s")


def slice_of(job: Job, loss: str, batch: int, seconds: float) -> float:
    """Return the pairs a second of a training that ends after some seconds."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        losses,
    )
    from transformers import PrinterCallback, TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]  # untyped here
        """Stops the training when its time is over."""

        def __init__(self) -> None:
            self.steps, self.begun, self.ended = 0, 0.0, 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Count a step; wait for the device only where the clock starts and where it ends."""
            self.steps += 1
            if self.steps == _WARM:
                synchronize()
                self.begun = time.perf_counter()
            elif self.steps > _WARM and time.perf_counter() - self.begun > seconds:
                synchronize()
                self.ended = time.perf_counter()
                control.should_training_stop = True

    def synchronize() -> None:
        if job.on_gpu:
            torch.cuda.synchronize()

    papers = read_texts(job.papers, 30_000 if job.on_gpu else 200)
    model: Any = SentenceTransformer(job.model, device=job.device).float()
    model.max_seq_length = min(256, model.max_seq_length or 256)
    made: Any = (
        losses.MultipleNegativesRankingLoss(model)
        if loss == "mnrl"
        else losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=512 if job.on_gpu else 8)
    )
    clock = Clock()
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(step_folder(job, "train")),
            max_steps=1_000_000,
            per_device_train_batch_size=batch,
            bf16=job.on_gpu,
            use_cpu=not job.on_gpu,
            dataloader_drop_last=True,
            dataloader_num_workers=4 if job.on_gpu else 0,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict(
            {"anchor": [paper.title for paper in papers], "positive": [paper.abstract for paper in papers]}
        ),
        loss=made,
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return (clock.steps - _WARM) * batch / (clock.ended - clock.begun)
