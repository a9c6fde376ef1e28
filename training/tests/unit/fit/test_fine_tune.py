"""A training that cannot train, or that diverges, is an error and saves nothing."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from training.errors import CorpusError, FitError
from training.fit import fine_tune as module
from training.fit.callbacks import Figures
from training.fit.fine_tune import Task, check_trained, fine_tune
from training.pipeline.composition import compose
from training.tracking import NO_TRACKER


def task_of(folder: Path, pairs: int, *overrides: str, experiment: str = "smoke") -> Task:
    configuration = compose([f"experiment={experiment}", "tracking=none", *overrides])
    path = folder / "pairs.jsonl"
    path.write_text("".join(f'{{"anchor": "title {n}", "positive": "abstract {n}"}}\n' for n in range(pairs)))
    return Task(
        name="few", folder=folder / "train", pairs=path, validation=(), digest="", seed=0,
        model=configuration.model, loss=configuration.loss, matryoshka=None, trainer=configuration.trainer,
        labelled=False, keep_blocks=False,
    )  # fmt: skip


@pytest.fixture
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(module.models, "load", load)


@pytest.mark.usefixtures("_no_model")
@pytest.mark.parametrize(("pairs", "world"), [(0, 1), (15, 1), (31, 2), (47, 3)])
def test_pairs_that_make_no_step_are_refused_before_the_model_is_loaded(
    pairs: int, world: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(world))
    with pytest.raises(CorpusError, match=f"{pairs} pairs do not fill .* take {16 * world}"):
        fine_tune(task_of(tmp_path, pairs))


@pytest.mark.usefixtures("_no_model")
@pytest.mark.parametrize(("pairs", "world"), [(16, 1), (32, 2)])
def test_pairs_that_make_one_step_are_accepted(
    pairs: int, world: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(world))
    with pytest.raises(AssertionError, match="the model was loaded"):
        fine_tune(task_of(tmp_path, pairs))


def test_a_training_without_a_step_is_an_error() -> None:
    model = torch.nn.Linear(2, 2)
    check_trained(model, 1)
    with pytest.raises(FitError, match="without a step"):
        check_trained(model, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_an_error(value: float) -> None:
    model = torch.nn.Linear(2, 2)
    with torch.no_grad():
        model.bias[1] = value
    with pytest.raises(FitError, match=r"after 3 steps the weights bias are not finite.*trainer\.learning_rate"):
        check_trained(model, 3)


@pytest.mark.parametrize("name", ["loss", "train_loss"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_training(name: str, value: float, tmp_path: Path) -> None:
    figures = Figures(tmp_path / "metrics.jsonl", NO_TRACKER)
    state: Any = SimpleNamespace(is_world_process_zero=True, global_step=7, max_steps=20)
    arguments: Any = SimpleNamespace(world_size=1, train_batch_size=16, gradient_accumulation_steps=1)
    figures.on_log(arguments, state, Any, {name: 0.5})
    with pytest.raises(FitError, match=f"until step 7 are {value}.*trainer.learning_rate"):
        figures.on_log(arguments, state, Any, {name: value})


def test_the_recipe_for_a_gpu_takes_the_keys_of_large_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(
        tmp_path, 64, "data.papers=papers.jsonl", "loss=cached_mnrl",
        "loss.mini_batch_size=8", "loss.gather=true", "trainer.accumulate=3", "trainer.compile=true",
        "trainer.streaming=true", "trainer.batch_size=4", experiment="arxiv_gpu",
    )  # fmt: skip
    arguments = module._arguments(task, "fp32", "cpu")
    assert (arguments.gradient_accumulation_steps, arguments.torch_compile) == (3, True)
    assert arguments.max_steps == 64 // (4 * 3)  # a stream does not know its length
    made = task.loss._arguments(SimpleNamespace())  # type: ignore[arg-type]
    assert (made["gather_across_devices"], made["mini_batch_size"]) == (True, 8)


def test_pairs_a_second_count_every_batch_of_a_step(tmp_path: Path) -> None:
    figures = Figures(tmp_path / "metrics.jsonl", NO_TRACKER)
    figures._busy, figures._steps = 2.0, 5
    state = SimpleNamespace(is_world_process_zero=True, global_step=5, max_steps=9)
    arguments = SimpleNamespace(world_size=1, train_batch_size=8, gradient_accumulation_steps=3)
    figures.on_log(arguments, state, SimpleNamespace(), {"loss": 0.5})  # type: ignore[arg-type]
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["pairs_per_second"] == 5 * 8 * 3 / 2
