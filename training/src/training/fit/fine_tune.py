"""Fine-tuning: sentence-transformers' trainer, set up from a run's configuration, resumable at any kill."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from storage.durable import replace_file
from training import disk
from training.errors import RunError
from training.fit import batches, losses, models, precision, tracking
from training.fit.callbacks import Figures, Profile, Report
from training.fit.validation import METRIC, Validation
from training.pipeline.configuration import Configuration, Distillation, Neighbours, Trainer
from training.progress import log_progress
from training.registry import source

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHECKPOINTS = "checkpoints"
IDENTITY = "identity.json"
CODE = ("batches.py", "fine_tune.py", "losses.py", "models.py", "precision.py")
"""The modules that decide the weights; `dvc.yaml` names the same."""


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and where.

    Attributes:
        configuration: of the run.
        digest: of the configuration that decides the weights.
        pairs: a file of JSON lines with anchor, positive and perhaps negatives or a label.
        validation: folders in BEIR's layout.
        folder: where checkpoints, figures and the model go.
        name: of the run, and of the model's folder.
        report: told MRR@10 at each look; says whether to stop.
        profile: steps to look into instead of training; 0 is none.
    """

    configuration: Configuration
    digest: str
    pairs: Path
    validation: tuple[Path, ...]
    folder: Path
    name: str
    report: Report | None = None
    profile: int = 0


def fine_tune(task: Task) -> dict[str, Any]:
    """Trains, from the last checkpoint if there is one, and saves the model into `folder/name`.

    Returns:
        The figures: MRR@10 on validation before and after, steps, seconds, and what it was trained from and on.

    Raises:
        RunError: The checkpoints are of another training, or something cannot be written.
    """
    first = int(os.environ.get("RANK", "0")) == 0
    with disk.translate_write_errors(task.folder):
        task.folder.mkdir(parents=True, exist_ok=True)
        with tracking.track(task.configuration, task.name, task.folder) if first else nullcontext() as tracker:
            return _train(task, tracker)


def _train(task: Task, tracker: tracking.Tracker | None) -> dict[str, Any]:
    """Trains; of several processes only the first has a tracker, and the last word."""
    from sentence_transformers import SentenceTransformerTrainer
    from transformers import PrinterCallback

    configuration, settings = task.configuration, task.configuration.trainer
    losses.check(configuration.loss, configuration.pairs.labelled)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    kind = precision.device(settings.device)
    number = precision.choose(settings.precision, kind)
    checkpoint = _checkpoint(task)
    torch.manual_seed(configuration.seed)
    model = models.load(configuration.model, kind)
    base = models.describe(configuration.model, model) if tracker else None
    served = min(model.max_seq_length or source.LONGEST, source.LONGEST)
    model.max_seq_length = configuration.model.max_length
    rows = _rows(task, settings)
    loss = losses.make_loss(configuration.loss, model, configuration.matryoshka)
    look = Validation(task.validation, functools.partial(precision.autocast, number, kind))
    log_progress(
        f"training in {number} on {kind}" + (f", from step {checkpoint.name.split('-')[-1]}" if checkpoint else "")
    )
    before = look(model) if tracker and not task.profile else {}
    if before:
        log_progress(f"before training: {METRIC} {before[METRIC]:.4f} on validation")
    callbacks: list[Any] = [Figures(task.folder / "metrics.jsonl", tracker or tracking.NOWHERE, task.report)]
    if task.profile:
        callbacks.append(Profile(task.folder.parent / "profile", task.profile))
    trainer = SentenceTransformerTrainer(
        model=model,
        args=_arguments(task, number, kind),
        train_dataset=rows,
        loss=loss,
        evaluator=None if task.profile else look,
        callbacks=callbacks + _stopping(settings),
    )
    # Figures are told by our own callback, on standard error.
    trainer.remove_callback(PrinterCallback)
    started = time.perf_counter()
    with warnings.catch_warnings():
        # Old checkpoints go by their numbers, which is what is wanted.
        warnings.filterwarnings("ignore", message="mtime may not be reliable")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.perf_counter() - started
    figures: dict[str, Any] = {"steps": trainer.state.global_step, "seconds": seconds, "precision": number}
    if tracker and not task.profile:
        if settings.base_weight:
            average(model, models.load(configuration.model, kind), settings.base_weight)
        after = look(model)
        log_progress(f"after training: {METRIC} {after[METRIC]:.4f} on validation")
        figures |= {"before": before, "after": after, "base": base, "pairs_sha256": source.file_sha256(task.pairs)}
        tracker.log({f"final_{name}": value for name, value in after.items()}, trainer.state.global_step)
        model.max_seq_length = served
        model.save(str(task.folder / task.name))
    return figures


def average(model: SentenceTransformer, base: SentenceTransformer, weight: float) -> None:
    """Moves a fine-tuned model's weights back towards its base's, in place.

    Weights between the two keep most of what was learnt and more of what the base could do elsewhere (Wortsman et al.,
    2022, WiSE-FT).

    Args:
        model: fine-tuned.
        base: what it was before.
        weight: of the base.
    """
    theirs = base.state_dict()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(theirs[name].to(tensor.device, tensor.dtype), weight)


def _rows(task: Task, settings: Trainer) -> Any:
    """The pairs, memory-mapped or as a stream, with the columns that the loss takes."""
    from datasets import Dataset, load_dataset

    cache = str(task.folder / "cache")
    if settings.streaming:
        stream: Any = load_dataset("json", data_files=str(task.pairs), streaming=True, split="train", cache_dir=cache)
        names = list(next(iter(stream)))
        rows = stream.select_columns([name for name in names if name != "kind"])
        if not isinstance(task.configuration.mine, Neighbours):
            rows = rows.shuffle(seed=task.configuration.seed, buffer_size=10_000)
    else:
        rows = Dataset.from_json(str(task.pairs), cache_dir=cache)
        rows = rows.select_columns([name for name in rows.column_names if name != "kind"])
    if isinstance(task.configuration.loss, Distillation):
        add = losses.teacher_vectors(task.configuration.loss, ("anchor", "positive"))
        rows = rows.map(add, batched=True, batch_size=256)
    return rows


def _arguments(task: Task, number: precision.Precision, kind: str) -> Any:
    from sentence_transformers import SentenceTransformerTrainingArguments
    from sentence_transformers.base.sampler import BatchSamplers

    settings, configuration = task.configuration.trainer, task.configuration
    steps = settings.steps or -1
    if settings.streaming and steps < 0:
        with task.pairs.open("rb") as file:
            lines = sum(1 for _ in file)
        steps = max(1, int(lines * settings.epochs) // (settings.batch_size * int(os.environ.get("WORLD_SIZE", "1"))))
    looks = "no" if task.profile else "steps"
    sampler: Any = batches.Blocks if isinstance(configuration.mine, Neighbours) else batches.Batches
    if settings.streaming:
        sampler = BatchSamplers.BATCH_SAMPLER  # a stream comes in its own order
    return SentenceTransformerTrainingArguments(
        output_dir=str(task.folder / CHECKPOINTS),
        num_train_epochs=settings.epochs,
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_ratio=settings.warmup,
        weight_decay=settings.weight_decay,
        bf16=number == "bf16",
        fp16=number == "fp16",
        use_cpu=kind == "cpu",
        ddp_backend="gloo" if kind == "cpu" and int(os.environ.get("WORLD_SIZE", "1")) > 1 else None,
        # A pooler that pooling does without gets no gradient, which DDP must be told.
        ddp_find_unused_parameters=True,
        dataloader_num_workers=settings.workers,
        dataloader_drop_last=True,
        dataloader_pin_memory=kind == "cuda",
        eval_strategy=looks,
        eval_steps=settings.evaluate_every,
        save_strategy="no" if task.profile else "steps",
        save_steps=_save_every(settings),
        save_total_limit=2,
        load_best_model_at_end=settings.patience is not None and not task.profile,
        metric_for_best_model=f"eval_{METRIC}",
        greater_is_better=True,
        logging_steps=settings.log_every,
        disable_tqdm=True,
        report_to=[],
        seed=configuration.seed,
        data_seed=configuration.seed,
        batch_sampler=sampler,
    )


def _save_every(settings: Trainer) -> int:
    """Steps between checkpoints; the best model can only be kept where one falls on every look."""
    return settings.evaluate_every if settings.patience is not None else settings.save_every


def _stopping(settings: Trainer) -> list[Any]:
    from transformers import EarlyStoppingCallback

    return [] if settings.patience is None else [EarlyStoppingCallback(settings.patience)]


def resumable(task: Task) -> bool:
    """Whether there are checkpoints that this very training goes on from."""
    return bool(_checkpoints(task)) and not _different(task)


def _different(task: Task) -> list[str]:
    """What the checkpoints that are there were made with and is not so now, in words."""
    path = task.folder / IDENTITY
    known, now = json.loads(path.read_bytes()) if path.exists() else {"digest": None}, _identity(task)
    words = {
        "model": f"another model.source ({known.get('model')!r}, now {now['model']!r})",
        "digest": "another configuration",
        "pairs": "other pairs",
        "code": "other code",
    }
    return [told for name, told in words.items() if known.get(name, now[name]) != now[name]]


def _identity(task: Task) -> dict[str, str | None]:
    code = b"".join((Path(__file__).parent / name).read_bytes() for name in CODE)
    return {
        "digest": task.digest,
        "pairs": source.file_sha256(task.pairs),
        "code": hashlib.sha256(code).hexdigest(),
        "model": task.configuration.model.source,
    }


def _checkpoints(task: Task) -> list[Path]:
    """The whole ones, the last behind the others."""
    found = (task.folder / CHECKPOINTS).glob("checkpoint-*")
    whole = (one for one in found if (one / "trainer_state.json").is_file())
    return sorted(whole, key=lambda one: int(one.name.rsplit("-", 1)[-1]))


def _checkpoint(task: Task) -> Path | None:
    """The last whole checkpoint of this very training; None starts anew.

    Raises:
        RunError: There are checkpoints of another.
    """
    if task.profile:
        return None
    there = _checkpoints(task)
    if not there:
        replace_file(task.folder / IDENTITY, json.dumps(_identity(task), indent=2).encode())
        return None
    if different := _different(task):
        raise RunError(
            f"the checkpoints in {task.folder / CHECKPOINTS} were made with {', '.join(different)}: remove them, or "
            "choose another run."
        )
    return there[-1]
