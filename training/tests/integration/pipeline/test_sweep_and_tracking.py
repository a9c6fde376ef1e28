"""Sweeps that continue after a kill, and trackers that need no network."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from training.errors import ConfigurationError
from training.pipeline.composition import compose
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages import load_stage
from training.pipeline.sweep import open_study, sweep

from .conftest import train_interrupted

pytestmark = pytest.mark.integration


def test_a_killed_sweep_continues(environment: Path, overrides: list[str]) -> None:
    wanted = [*overrides, "trainer.steps=2", "trainer.evaluate_every=2", "sweep.name=small"]
    first = sweep([*wanted, "sweep.trials=1"])
    # A killed sweep leaves a trial that never ended.
    study = open_study(Path(first["run"]), compose([*wanted, "sweep.trials=1"]))
    study.ask()
    result = sweep([*wanted, "sweep.trials=4"])
    study = open_study(Path(first["run"]), compose(wanted))
    states = [trial.state.name for trial in study.trials]
    assert states[:2] == ["COMPLETE", "FAIL"]
    assert len(states) - states.count("FAIL") == 4
    assert result["best"]["value"] == max(trial.value or 0 for trial in study.trials)
    assert set(result["best"]["params"]) == {"trainer.learning_rate", "loss.scale"}
    assert Path(result["plot"]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("environment", "falling")
def test_a_trial_below_the_median_is_pruned_and_the_sweep_continues(overrides: list[str]) -> None:
    space = "sweep.space={trainer.batch_size: {low: 8, high: 10}}"
    wanted = [*overrides, "trainer.steps=4", "trainer.evaluate_every=1", "sweep.startup_trials=1", "~sweep.space"]
    result = sweep([*wanted, f"+{space}", "sweep.trials=3"])
    study = open_study(Path(result["run"]), compose(wanted[:-1]))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert [len(trial.intermediate_values) for trial in study.trials] == [4, 1, 1]
    assert study.trials[1].value == study.trials[1].intermediate_values[1]
    assert result["best"]["number"] == 0
    assert all(isinstance(trial.params["trainer.batch_size"], int) for trial in study.trials)


@pytest.mark.parametrize(
    ("space", "named"),
    [
        ("{pairs.most: {values: [1, 2]}}", "pairs.most"),
        ("{trainer.lerning_rate: {low: 1, high: 2}}", "trainer.lerning_rate"),
        ("{trainer.epochs: {low: 1}}", "trainer.epochs"),
        ("{trainer.epochs: {low: 2, high: 1}}", "trainer.epochs"),
        ("{loss.scale: {low: 0, high: 1, log: true}}", "loss.scale"),
    ],
)
@pytest.mark.usefixtures("environment")
def test_a_space_that_cannot_be_searched_is_refused(overrides: list[str], space: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named.replace(".", r"\.")):
        sweep([*overrides, "~sweep.space", f"+sweep.space={space}"])


def test_mlflow_and_wandb_store_figures_without_a_network(
    prepared: Callable[..., RunFolder], environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    run = prepared("flow", "tracking=mlflow", "trainer.steps=2", "trainer.log_every=1")
    load_stage("train")(run)
    losses = list((environment / "data" / "mlruns").rglob("metrics/loss"))
    assert len(losses) == 1
    assert len(losses[0].read_text().splitlines()) == 2
    assert list((environment / "data" / "mlruns").rglob("params/trainer.learning_rate"))
    train_interrupted(prepared("fallen", "tracking=mlflow", "trainer.evaluate_every=1"))
    client = MlflowClient((environment / "data" / "mlruns").as_uri())
    (experiment,) = [one for one in client.search_experiments() if one.name != "Default"]
    statuses = {one.info.run_name: one.info.status for one in client.search_runs([experiment.experiment_id])}
    assert statuses == {"flow": "FINISHED", "fallen": "FAILED"}
    run = prepared("bias", "tracking=wandb", "trainer.steps=2")
    load_stage("train")(run)
    assert list((run.stage_folder("train") / "wandb").glob("offline-run-*/*.wandb"))
    with pytest.raises(ConfigurationError, match="WANDB_API_KEY"):
        load_stage("train")(prepared("online", "tracking=wandb", "tracking.mode=online"))


def test_a_key_in_the_environment_is_never_written(
    prepared: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "0123456789abcdef" * 2 + "01234567"
    monkeypatch.setenv("WANDB_API_KEY", key)
    run = prepared("secret", "tracking=wandb", "trainer.steps=2")
    load_stage("train")(run)
    assert json.loads((run.folder / "run.json").read_text())["training"]["steps"] == 2
    for path in run.folder.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes(), path
