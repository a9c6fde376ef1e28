"""Callbacks of the trainer: figures, tracking, profiling and early stopping."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.errors import FitError
from training.fit.validation import METRIC
from training.progress import log_progress
from training.tracking import Tracker

ShouldStop = Callable[[float, int], bool]
"""Function of MRR@10 and step, called after each evaluation; it returns True to stop the training."""


def not_finite(what: str, value: object) -> FitError:
    """Return the error for a loss or weights that are no finite numbers."""
    return FitError(
        f"{what} are {value}: the training has diverged and nothing is saved. Start a new run with a lower "
        "trainer.learning_rate or with trainer.precision=fp32."
    )


class Figures(TrainerCallback):
    """Write loss, learning rate, throughput and MRR@10 to standard error, to a file and to the tracker."""

    def __init__(self, file: Path, tracker: Tracker, should_stop: ShouldStop | None = None) -> None:
        """Take the file to append lines to, the tracker, and the function that decides on early stopping."""
        self._file, self._tracker, self._should_stop = file, tracker, should_stop
        self._started = self._busy = 0.0
        self._steps = 0

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock, which runs during steps only: evaluations are not training time."""
        self._started = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop the clock."""
        self._busy += time.perf_counter() - self._started
        self._steps += 1

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Write the trainer's figures, and the pairs a second since the previous line.

        Raises:
            FitError: The loss is no finite number.
        """
        for name in ("loss", "train_loss"):
            if not math.isfinite(value := (logs or {}).get(name, 0.0)):
                raise not_finite(f"the losses until step {state.global_step}", value)
        if not state.is_world_process_zero or not logs:
            return
        figures = {name: float(value) for name, value in logs.items() if isinstance(value, int | float)}
        if "loss" in figures and self._busy:
            world = max(1, args.world_size)
            pairs = args.train_batch_size * args.gradient_accumulation_steps * world
            figures["pairs_per_second"] = self._steps * pairs / self._busy
            self._busy, self._steps = 0.0, 0
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **figures}) + "\n")
        self._tracker.log({name: value for name, value in figures.items() if math.isfinite(value)}, state.global_step)
        if "loss" in figures:
            log_progress(
                f"step {state.global_step} of {state.max_steps}: loss {figures['loss']:.4f}, "
                f"learning rate {figures.get('learning_rate', 0):.2e}, {figures.get('pairs_per_second', 0):.1f} pairs/s"
            )

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Write MRR@10, and stop the training if the given function returns True."""
        found = (metrics or {}).get(f"eval_{METRIC}")
        if found is None or not state.is_world_process_zero:
            return
        log_progress(f"step {state.global_step}: {METRIC} {found:.4f} on validation")
        if self._should_stop is not None and self._should_stop(found, state.global_step):
            control.should_training_stop = True


class Profile(TrainerCallback):
    """Write where the time of a step goes: a trace for chrome://tracing or Perfetto, and a table."""

    def __init__(self, folder: Path, steps: int) -> None:
        """Take the folder to write into and the number of steps to profile, after two that warm up."""
        self._folder, self._steps = folder, steps
        self._profiler: torch.profiler.profile | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the profiler."""
        devices = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available() and not args.use_cpu:
            devices.append(torch.profiler.ProfilerActivity.CUDA)
        self._profiler = torch.profiler.profile(
            activities=devices,
            schedule=torch.profiler.schedule(wait=1, warmup=1, active=self._steps, repeat=1),
            on_trace_ready=self._write,
        )
        self._profiler.start()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Mark the end of a step, and stop the training after the last step to profile."""
        if self._profiler is not None:
            self._profiler.step()
        if state.global_step >= self._steps + 2:
            control.should_training_stop = True

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Stop the profiler."""
        if self._profiler is not None:
            self._profiler.stop()
            self._profiler = None

    def _write(self, profiler: torch.profiler.profile) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        profiler.export_chrome_trace(str(self._folder / "trace.json"))
        by = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
        table = profiler.key_averages().table(sort_by=by, row_limit=25, max_name_column_width=50)
        (self._folder / "table.txt").write_text(table + "\n")
