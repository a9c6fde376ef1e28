"""Fine-tune a model with the trainer of sentence-transformers. A training that was killed continues where it was."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from akin.storage.digest import file_digest
from akin.storage.durable import replace_file
from training import tracking
from training.errors import ConfigurationError, FitError, RunError, translate_write_errors
from training.fit import losses, models
from training.fit.batches import PairFile, Texts, require_batches
from training.fit.callbacks import Figures, Profile, ShouldStop, not_finite
from training.fit.config import ModelConfig, TrainerConfig
from training.fit.dataset import PairBatches, PairTrainer, load_stream, load_tables
from training.fit.validation import METRIC, Validation
from training.progress import log_progress
from training.registry import source
from training.tracking.config import NoTracking, TrackingConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHECKPOINTS = "checkpoints"
IDENTITY = "identity.json"
WEIGHTS_CODE = (
    *("fit/batches.py", "fit/cosine.py", "fit/dataset.py", "fit/fine_tune.py", "fit/hybrid.py", "fit/losses.py"),
    *("fit/models.py", "fit/teacher.py", "data/token_bm25.py"),
)
"""Modules that decide the weights; `dvc.yaml` lists the same."""


@dataclass(frozen=True)
class Task:
    """Description of one training.

    Attributes:
        name: name of the run and of the model's folder.
        folder: folder for checkpoints, figures and the model.
        pairs: file of JSON lines with anchor, positive, and optionally negatives or a label.
        validation: folders in BEIR's layout.
        digest: SHA-256 of the configuration that decides the weights.
        seed: seed of every random choice.
        model: model to fine-tune.
        loss: loss to minimise.
        kind_losses: losses of single kinds of pairs, instead of `loss`.
        matryoshka: dimensions of a Matryoshka loss.
        trainer: training loop.
        labelled: True if the pairs have labels.
        keep_blocks: True if pairs that stand together in the file belong into one batch.
        tracking: choice of the tracker.
        tracking_store: folder of MLflow's database if `tracking` names no place.
        teacher_store: folder for the vectors of teachers.
        parameters: values of the configuration for the tracker.
        should_stop: function that decides after each evaluation whether to stop.
        profile: number of steps to profile instead of training; 0 trains.
    """

    name: str
    folder: Path
    pairs: Path
    validation: tuple[Path, ...]
    digest: str
    seed: int
    model: ModelConfig
    loss: losses.LossConfig
    matryoshka: list[int] | None
    trainer: TrainerConfig
    labelled: bool
    keep_blocks: bool
    tracking: TrackingConfig = field(default_factory=NoTracking)
    tracking_store: Path = Path("mlruns")
    teacher_store: Path = Path("teacher-vectors")
    kind_losses: Mapping[str, losses.LossConfig] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    should_stop: ShouldStop | None = None
    profile: int = 0

    def loss_of(self, kind: str) -> losses.LossConfig:
        """Return the loss of a kind of pairs."""
        return self.kind_losses.get(kind, self.loss)


def fine_tune(task: Task) -> dict[str, Any]:
    """Train from the last checkpoint if there is one, and save the model into `folder/name`.

    Returns:
        MRR@10 on validation before and after, steps, seconds, and origins and digests of model and pairs.

    Raises:
        ConfigurationError: A kind of pairs does not match its loss, or the model cannot read so many tokens.
        CorpusError: The pairs do not fill the batches of one step.
        FitError: The training made no step, or its loss or its weights are no finite numbers.
        RunError: The checkpoints belong to another training, or something cannot be written.
    """
    is_first = int(os.environ.get("RANK", "0")) == 0
    with translate_write_errors(task.folder):
        task.folder.mkdir(parents=True, exist_ok=True)
        tracked = tracking.track(
            task.tracking, task.parameters, task.name, folder=task.folder, store=task.tracking_store
        )
        with tracked if is_first else nullcontext() as tracker:
            return _train(task, tracker)


def _train(task: Task, tracker: tracking.Tracker | None) -> dict[str, Any]:
    """Train. Of several processes only the first one has a tracker; it evaluates and saves the model."""
    from transformers import PrinterCallback

    size = task.trainer.batch_size
    texts = require_batches(
        task.pairs, size, processes=count_processes(), distinct=lambda kind: task.loss_of(kind).in_batch_negatives
    )
    losses.check_kinds(task.loss, task.kind_losses, texts, task.labelled, streaming=task.trainer.streaming)
    if task.trainer.threads:
        torch.set_num_threads(task.trainer.threads)
    device = models.choose_device(task.trainer.device)
    precision = models.choose_precision(task.trainer.precision, device)
    checkpoint = _last_checkpoint(task)
    torch.manual_seed(task.seed)
    model = models.load(task.model, device)
    base = models.describe(task.model.source, model) if tracker else None
    max_length = source.max_length(model)
    model.max_seq_length = task.model.max_length or max_length
    if model.max_seq_length > max_length:
        raise ConfigurationError(
            f"model.max_length is {model.max_seq_length}, and the model reads {max_length} tokens."
        )
    kinds_of = group_by_loss(task.loss_of, texts)
    built = {
        each: losses.build_loss(each, model, task.matryoshka, PairFile(task.pairs, kinds, task.teacher_store))
        for each, kinds in kinds_of.items()
    }
    loss = {kind: built[each] for each, kinds in kinds_of.items() for kind in kinds}
    dataset, batches = _load_pairs(task, texts, loss)
    evaluator = Validation(task.validation, functools.partial(models.autocast, precision, device))
    resumed = f", from step {checkpoint.name.split('-')[-1]}" if checkpoint else ""
    log_progress(f"training in {precision} on {device}{resumed}")
    before = evaluator(model) if tracker and not task.profile else {}
    if before:
        log_progress(f"before training: {METRIC} {before[METRIC]:.4f} on validation")
    trainer = PairTrainer(
        batches=batches,
        model=model,
        args=_arguments(task, precision, device),
        train_dataset=dataset,
        loss=built[task.loss] if task.trainer.streaming else loss,
        evaluator=None if task.profile else evaluator,
        callbacks=_callbacks(task, tracker),
    )
    # It would print to standard output; `Figures` writes the same figures to standard error.
    trainer.remove_callback(PrinterCallback)  # type: ignore[no-untyped-call]
    started = time.perf_counter()
    with warnings.catch_warnings():
        # The trainer warns that it orders old checkpoints by number and not by time; the number is right.
        warnings.filterwarnings("ignore", message="mtime may not be reliable")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.perf_counter() - started
    check_trained(model, trainer.state.global_step)
    figures: dict[str, Any] = {
        "steps": trainer.state.global_step,
        "seconds": seconds,
        "precision": precision,
        "max_length": model.max_seq_length,
        "served_max_length": max_length,
    }
    if tracker and not task.profile:
        if task.trainer.base_weight:
            average(model, models.load(task.model, device), task.trainer.base_weight)
        after = evaluator(model)
        log_progress(f"after training: {METRIC} {after[METRIC]:.4f} on validation")
        figures |= {"before": before, "after": after, "base": base, "pairs_sha256": file_digest(task.pairs)}
        tracker.log({f"final_{name}": value for name, value in after.items()}, trainer.state.global_step)
        model.max_seq_length = max_length
        model.save(str(task.folder / task.name))
    return figures


def _load_pairs(
    task: Task, texts: Mapping[str, Texts], loss: Mapping[str, torch.nn.Module]
) -> tuple[Any, PairBatches | None]:
    """Return the pairs as tables with the order of their batches, or as a stream."""
    size, cache = task.trainer.batch_size, task.folder / "cache"
    if task.trainer.streaming:
        stream = load_stream(
            task.pairs,
            cache,
            seed=task.seed,
            add_labels=next((maker for each in loss.values() if (maker := getattr(each, "add_labels", None))), None),
            batch=size,
            distinct=task.loss.in_batch_negatives,
            keep_blocks=task.keep_blocks,
        )
        return stream, None
    makers = {kind: maker for kind in texts if (maker := getattr(loss[kind], "add_labels", None))}
    return load_tables(task.pairs, cache, makers), PairBatches(
        texts, size, seed=task.seed, keep_blocks=task.keep_blocks
    )


def group_by_loss(
    loss_of: Callable[[str], losses.LossConfig], kinds: Iterable[str]
) -> dict[losses.LossConfig, frozenset[str]]:
    """Return the kinds of pairs of each loss."""
    kinds = list(kinds)
    chosen = dict.fromkeys(map(loss_of, kinds))
    return {loss: frozenset(kind for kind in kinds if loss_of(kind) == loss) for loss in chosen}


def count_processes() -> int:
    """Return the number of processes that train together, as torchrun gives it to each of them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_trained(model: torch.nn.Module, steps: int) -> None:
    """Check that a training that has ended made at least one step and left finite weights.

    Raises:
        FitError: It did not.
    """
    if not steps:
        raise FitError(
            "the training ended without a step, so the model is unchanged and nothing is saved. Start a new run with "
            "more papers or a smaller trainer.batch_size."
        )
    for name, tensor in model.named_parameters():
        if not torch.isfinite(tensor).all():
            raise not_finite(f"after {steps} steps the weights {name}", "not finite")


def average(model: SentenceTransformer, base: SentenceTransformer, weight: float) -> None:
    """Move a fine-tuned model's weights towards those of its base, in place.

    The average keeps most of what was learnt and more of what the base can do on other texts (Wortsman et al., 2022,
    WiSE-FT).

    Args:
        model: fine-tuned model.
        base: the model before training.
        weight: share of the base in the average.
    """
    base_weights = base.state_dict()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(base_weights[name].to(tensor.device, tensor.dtype), weight)


def _callbacks(task: Task, tracker: tracking.Tracker | None) -> list[Any]:
    from transformers import EarlyStoppingCallback

    callbacks: list[Any] = [Figures(task.folder / "metrics.jsonl", tracker or tracking.NO_TRACKER, task.should_stop)]
    if task.profile:
        callbacks.append(Profile(task.folder.parent / "profile", task.profile))
    if task.trainer.patience is not None:
        callbacks.append(EarlyStoppingCallback(task.trainer.patience))
    return callbacks


def _arguments(task: Task, precision: models.Precision, device: str) -> Any:
    from sentence_transformers import SentenceTransformerTrainingArguments

    settings = task.trainer
    processes = count_processes()
    # Two more steps warm the profiler up; a given number of steps repeats the pairs if they are few.
    steps = task.profile + 2 if task.profile else settings.steps or -1
    if settings.streaming and steps < 0:
        with task.pairs.open("rb") as file:
            lines = sum(1 for _ in file)
        steps = max(1, int(lines * settings.epochs) // (settings.batch_size * processes * settings.accumulate))
    return SentenceTransformerTrainingArguments(
        output_dir=str(task.folder / CHECKPOINTS),
        num_train_epochs=settings.epochs,
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulate,
        torch_compile=settings.compile,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_ratio=settings.warmup,
        weight_decay=settings.weight_decay,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=device == "cpu",
        ddp_backend="gloo" if device == "cpu" and processes > 1 else None,
        # BERT's pooler gets no gradient, because mean pooling does not use it; DDP fails unless it expects that.
        ddp_find_unused_parameters=True,
        dataloader_num_workers=settings.workers,
        dataloader_drop_last=True,
        dataloader_pin_memory=device == "cuda",
        eval_strategy="no" if task.profile else "steps",
        eval_steps=settings.evaluate_every,
        save_strategy="no" if task.profile else "steps",
        # The best model can be kept only if there is a checkpoint at each evaluation.
        save_steps=settings.evaluate_every if settings.patience is not None else settings.save_every,
        save_total_limit=2,
        load_best_model_at_end=settings.patience is not None and not task.profile,
        metric_for_best_model=f"eval_{METRIC}",
        greater_is_better=True,
        logging_steps=settings.log_every,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
        seed=task.seed,
        data_seed=task.seed,
    )


def is_resumable(task: Task) -> bool:
    """Return True if there are checkpoints of exactly this training."""
    return bool(_checkpoints(task)) and not _differences(task)


def _differences(task: Task) -> list[str]:
    """Return, in words, how this training differs from the one that made the checkpoints."""
    path = task.folder / IDENTITY
    known, now = json.loads(path.read_bytes()) if path.exists() else {"digest": None}, _identity(task)
    words = {
        "model": f"another model.source ({known.get('model')!r}, now {now['model']!r})",
        "digest": "another configuration",
        "pairs": "other pairs",
        "code": "other code",
    }
    return [text for name, text in words.items() if known.get(name, now[name]) != now[name]]


def _identity(task: Task) -> dict[str, str | None]:
    code = b"".join((Path(__file__).parents[1] / name).read_bytes() for name in WEIGHTS_CODE)
    return {
        "digest": task.digest,
        "pairs": file_digest(task.pairs),
        "code": hashlib.sha256(code).hexdigest(),
        "model": task.model.source,
    }


def _checkpoints(task: Task) -> list[Path]:
    """Return the complete checkpoints, the last one at the end."""
    found = (task.folder / CHECKPOINTS).glob("checkpoint-*")
    complete = (folder for folder in found if (folder / "trainer_state.json").is_file())
    return sorted(complete, key=lambda folder: int(folder.name.rsplit("-", 1)[-1]))


def _last_checkpoint(task: Task) -> Path | None:
    """Return the last complete checkpoint of this training; None if it has to start anew.

    Raises:
        RunError: There are checkpoints of another training.
    """
    if task.profile:
        return None
    found = _checkpoints(task)
    if not found:
        replace_file(task.folder / IDENTITY, json.dumps(_identity(task), indent=2).encode())
        return None
    if differences := _differences(task):
        raise RunError(
            f"the checkpoints in {task.folder / CHECKPOINTS} were made with {', '.join(differences)}: remove them, or "
            "choose another run."
        )
    return found[-1]
