"""Search for parameters with Optuna: `python -m training.pipeline.sweep [OVERRIDES …]`.

Data and pairs are prepared once. Each trial trains with the parameters that Optuna suggests and reports MRR@10 on the
validation sets; nothing is exported. The study is on disk: the same command continues a sweep that was killed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.command import run_command
from training.errors import ConfigurationError, FitError, RunError, TrainingError
from training.pipeline import run_folder
from training.pipeline.composition import compose, set_default_paths
from training.pipeline.configuration import Configuration, Dimension
from training.pipeline.run_folder import NEEDS, RunFolder
from training.pipeline.stages import BEFORE_TRAINING, run_stages
from training.progress import log_progress

if TYPE_CHECKING:
    import optuna


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return 0 on success, 1 if it was refused with a message, 2 for a wrong argument."""
    parser = argparse.ArgumentParser(prog="python -m training.pipeline.sweep", description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="GROUP=NAME|KEY=VALUE", help="see docs/training.md")
    parser.add_argument("--json", action="store_true", help="print the best trial as JSON")
    return run_command(parser, _run, arguments)


def _run(options: argparse.Namespace) -> str:
    set_default_paths()
    result = sweep(options.overrides)
    return json.dumps(result) if options.json else f"{result['best']}, {result['plot']}"


def sweep(overrides: Sequence[str]) -> dict[str, Any]:
    """Run the trials that the study still lacks.

    Returns:
        The best trial, the number of trials, and the path of the plot.

    Raises:
        ConfigurationError: The space names a key that does not exist, or one that changes the prepared data.
    """
    configuration = compose(overrides)
    settings = configuration.sweep
    check_space(settings.space, overrides)
    folder = Path(configuration.paths.data) / "training" / f"sweep-{settings.name}"
    run = run_folder.create_run(folder, configuration)
    run_stages(run, BEFORE_TRAINING)
    study = open_study(folder, configuration)
    # Failed trials gave no value and are repeated.
    finished = sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.trials)
    for _ in range(settings.trials - finished):
        _run_trial(study, run, overrides)
    if not any(trial.state.name == "COMPLETE" for trial in study.trials):
        raise RunError(f"no trial of {settings.name} gave a value: search smaller values of trainer.learning_rate.")
    plot = folder / "study.png"
    draw(study, plot)
    best = study.best_trial
    return {
        "run": str(folder),
        "trials": len(study.trials),
        "best": {"number": best.number, "value": best.value, "params": best.params},
        "plot": str(plot),
    }


def check_space(space: dict[str, Dimension], overrides: Sequence[str]) -> None:
    """Check that a space can be searched, before anything is prepared.

    Raises:
        ConfigurationError: It cannot; the message names the key.
    """
    prepared = {part for name in BEFORE_TRAINING for part in NEEDS[name]} - {"model"}
    for key, dimension in space.items():
        if key.split(".")[0] in prepared:
            raise ConfigurationError(f"sweep.space.{key}: it changes the pairs, which all trials share. Remove it.")
        bounded = dimension.low is not None and dimension.high is not None
        if bounded == bool(dimension.values):
            raise ConfigurationError(f"sweep.space.{key}: give either values, or low and high.")
        low, high = dimension.low or 0, dimension.high or 0
        if bounded and not (0 if dimension.log else float("-inf")) < low <= high:
            raise ConfigurationError(f"sweep.space.{key}: low must not be above high, and above 0 if log is true.")
        first = dimension.values[0] if dimension.values else low
        compose([*overrides, f"{key}={first}"])


def open_study(folder: Path, configuration: Configuration) -> optuna.Study:
    """Return the study on disk. Trials that were running when a sweep was killed are marked as failed.

    Raises:
        ConfigurationError: Optuna is not installed here.
        RunError: The study cannot be opened.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise ConfigurationError(f"{error.name} is not installed here: install the extra `sweep`.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings = configuration.sweep
    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(folder / "study.journal"))),
            study_name=settings.name,
            sampler=optuna.samplers.TPESampler(seed=configuration.seed),
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=settings.startup_trials, n_warmup_steps=settings.warmup_looks
            ),
            direction="maximize",
            load_if_exists=True,
        )
    except OSError as error:
        raise RunError(f"{folder / 'study.journal'} cannot be opened: {error.strerror}.") from error
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def suggest(trial: optuna.Trial, space: dict[str, Dimension]) -> dict[str, Any]:
    """Return a value for each parameter of the space; between two whole numbers it is a whole number."""
    found: dict[str, Any] = {}
    for key, dimension in space.items():
        low, high = dimension.low or 0, dimension.high or 0
        if dimension.values:
            found[key] = trial.suggest_categorical(key, dimension.values)
        elif isinstance(low, int) and isinstance(high, int):
            found[key] = trial.suggest_int(key, low, high, log=dimension.log)
        else:
            found[key] = trial.suggest_float(key, low, high, log=dimension.log)
    return found


def _run_trial(study: optuna.Study, run: RunFolder, overrides: Sequence[str]) -> None:
    import optuna

    from training.fit.fine_tune import fine_tune
    from training.pipeline.stages.train import make_task

    trial = study.ask()
    values = suggest(trial, run.configuration.sweep.space)
    log_progress(f"trial {trial.number}: " + ", ".join(f"{key} {value}" for key, value in values.items()))
    configuration = compose([*overrides, *(f"{key}={value}" for key, value in values.items())])
    folder = run.folder / f"trial-{trial.number}"
    evaluations, pruned = 0, False

    def should_stop(value: float, step: int) -> bool:
        nonlocal evaluations, pruned
        evaluations += 1
        trial.report(value, evaluations)
        pruned = trial.should_prune()
        return pruned

    task = dataclasses.replace(make_task(run, configuration), folder=folder, name=folder.name, should_stop=should_stop)
    try:
        figures = fine_tune(task)
    except FitError as error:  # these parameters do not train; others may
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        log_progress(f"trial {trial.number}: {error}")
        return
    except TrainingError:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = figures["after"]["MRR@10"]
    if pruned:  # Optuna itself takes the value of the last evaluation and accepts no other
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, found)
    log_progress(f"trial {trial.number}: MRR@10 {found:.4f}" + (", pruned" if pruned else ""))


def draw(study: optuna.Study, path: Path) -> None:
    """Draw MRR@10 of every trial, and the best value so far."""
    from charts import as_png, new_figure

    figure, (axes,) = new_figure(7, [4])
    points: dict[str, list[tuple[int, float]]] = {"COMPLETE": [], "PRUNED": []}
    for trial in study.trials:
        if trial.value is not None and trial.state.name in points:
            points[trial.state.name].append((trial.number, trial.value))
    for (state, found), marker in zip(points.items(), "ox", strict=True):
        axes.scatter([number for number, _ in found], [value for _, value in found], marker=marker, label=state.lower())
    numbers, values = [number for number, _ in points["COMPLETE"]], [value for _, value in points["COMPLETE"]]
    axes.step(numbers, list(accumulate(values, max)), where="post", label="best so far")
    axes.set(xlabel="trial", ylabel="MRR@10 on validation", title=study.study_name)
    axes.legend()
    path.write_bytes(as_png(figure))


if __name__ == "__main__":
    sys.exit(main())
