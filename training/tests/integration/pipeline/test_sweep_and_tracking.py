"""Sweeps that continue after a kill, and trackers that need no network."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

import pytest

from training.errors import ConfigurationError
from training.pipeline.composition import compose
from training.pipeline.mirror import mirror
from training.pipeline.run_folder import RunFolder
from training.pipeline.stages import load_stage, run_stages
from training.pipeline.sweep import open_study, sweep
from training.pipeline.tracked import tracker_of

from .conftest import train_interrupted

if TYPE_CHECKING:
    from mlflow.entities import Run

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


@pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader:sqlalchemy.exc.SADeprecationWarning"
)  # of MLflow's own tables
def test_mlflow_has_the_whole_run_and_the_registry(prepared: Callable[..., RunFolder], environment: Path) -> None:
    from mlflow.tracking import MlflowClient

    run = prepared("flow", "tracking=mlflow", "trainer.steps=2", "trainer.log_every=1", "trainer.evaluate_every=1")
    train_interrupted(run)
    client = MlflowClient(f"sqlite:///{environment}/data/mlruns/mlflow.db")
    (experiment,) = [one for one in client.search_experiments() if one.name != "Default"]

    def only_run() -> "Run":
        (found,) = client.search_runs([experiment.experiment_id])
        return found

    assert only_run().info.status == "FAILED"
    run_stages(run)
    known = only_run()
    assert known.info.status == "FINISHED"
    assert known.info.run_name == "flow"
    assert [each.step for each in client.get_metric_history(known.info.run_id, "loss")][-1] == 2
    assert known.data.params["trainer.steps"] == "2"
    version = run.read_record()["version"]
    assert known.data.tags["encoder_digest"] == version["digest"]
    assert known.data.tags["git_revision"]
    assert json.loads(known.data.tags["corpus"])["sha256"]
    means = json.loads((run.stage_folder("evaluate") / "metrics.json").read_text())
    tracked = {name: value for name, value in known.data.metrics.items() if name.endswith("/nDCG_at_10")}
    assert len(tracked) == sum(len(systems) for systems in means.values()) > 0
    stored = {each.path for each in client.list_artifacts(known.info.run_id)}
    assert stored == {"evaluation", "report", "version"}
    assert "report/model_card.md" in {each.path for each in client.list_artifacts(known.info.run_id, "report")}
    champion = client.get_model_version_by_alias("akin-encoder", "champion")
    assert champion.tags["encoder_digest"] == version["digest"]
    assert champion.run_id == known.info.run_id
    assert Path(unquote(urlparse(champion.source).path), "manifest.json").is_file()
    # A second version challenges the first, and takes its place when it is promoted.
    repository = environment / "repository" / "text_encoder"
    shutil.copytree(repository / "1", repository / "2")
    manifest = json.loads((repository / "2" / "manifest.json").read_text())
    (repository / "2" / "manifest.json").write_text(json.dumps({**manifest, "version": 2, "digest": "f" * 64}))
    assert mirror(run.configuration) == {"champion": 1, "challenger": 2}
    (repository / "PROMOTED").write_text("2\n")
    assert mirror(run.configuration) == {"champion": 2}
    assert client.get_model_version_by_alias("akin-encoder", "champion").tags["encoder_digest"] == "f" * 64
    assert len(client.search_model_versions("name = 'akin-encoder'")) == 2


def test_wandb_writes_a_folder_without_a_network(
    prepared: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    run = prepared("bias", "tracking=wandb", "trainer.steps=2")
    load_stage("train")(run)
    folder = run.stage_folder("train")
    (written,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    known = json.loads((folder / "tracking.json").read_text())
    assert written.name == f"run-{known['run']}.wandb"
    with tracker_of(run) as tracker:
        tracker.summarize({"set/hybrid/nDCG@10": 0.625})
        tracker.publish(folder / "bias", {"encoder_digest": "d" * 64})
    (continued,) = [each for each in (folder / "wandb").glob("offline-run-*/*.wandb") if each != written]
    assert continued.name == written.name
    # A process of W&B writes the file; on a busy machine it goes on after the run has ended.
    deadline = time.monotonic() + 60
    while not all(part in continued.read_bytes() for part in (b"set/hybrid/nDCG@10", b"akin-encoder")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
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
