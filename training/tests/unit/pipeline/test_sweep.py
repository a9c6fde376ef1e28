"""A study is continued with the same configuration and corpus, and never suggests the same values twice."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from training.errors import RunError
from training.pipeline import sweep as module
from training.pipeline.composition import compose
from training.pipeline.run_folder import RunFolder


@pytest.fixture
def run_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, float]]]:
    """Return a function that runs a sweep without training, and returns the parameters of each trial."""
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    monkeypatch.setattr(module, "run_stages", lambda *_: None)
    monkeypatch.setattr(module, "draw", lambda *_: None)
    seen: list[dict[str, float]] = []

    def train(study: optuna.Study, run: RunFolder, _: object) -> None:
        trial = study.ask()
        seen.append(module.suggest(trial, run.configuration.sweep.space))
        study.tell(trial, 0.5)

    monkeypatch.setattr(module, "_run_trial", train)
    (tmp_path / "papers.jsonl").write_text("{}\n")

    def start(*overrides: str) -> list[dict[str, float]]:
        module.sweep(["data=papers", f"data.papers={tmp_path}/papers.jsonl", *overrides])
        return seen

    return start


def test_a_resumed_sweep_counts_finished_trials_and_suggests_what_it_would_have_suggested(
    run_sweep: Callable[..., list[dict[str, float]]],
) -> None:
    for trials in (1, 2, 2, 4):
        resumed = list(run_sweep("sweep.name=resumed", f"sweep.trials={trials}"))
    assert len(resumed) == 4
    assert len({str(values) for values in resumed}) == 4
    assert run_sweep("sweep.name=whole", "sweep.trials=4")[4:] == resumed


@pytest.mark.parametrize("override", ["loss.scale=7", "data.most=500", "seed=3", "sweep.startup_trials=9"])
def test_a_study_of_another_configuration_is_refused(
    override: str, run_sweep: Callable[..., list[dict[str, float]]]
) -> None:
    run_sweep("sweep.trials=1")
    with pytest.raises(
        RunError, match=rf"another configuration.*{override.partition('.')[0].partition('=')[0]}.*sweep.name"
    ):
        run_sweep("sweep.trials=2", override)


def test_another_corpus_under_the_same_name_is_refused(
    run_sweep: Callable[..., list[dict[str, float]]], tmp_path: Path
) -> None:
    run_sweep("sweep.trials=1")
    (tmp_path / "papers.jsonl").write_text("{}\n{}\n")
    with pytest.raises(RunError, match=r"another corpus.*files of data"):
        run_sweep("sweep.trials=2")


def test_a_study_that_did_not_record_its_corpus_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.journal").touch()
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="did not record"):
        module.check_same_study(tmp_path, module.identify(compose(["data=papers", f"data.papers={tmp_path}/run.json"])))
