"""Search for parameters with Optuna: `python -m training.pipeline.sweep [OVERRIDES …]`.

Data and pairs are prepared once. Each trial trains with the parameters that Optuna suggests and reports MRR@10 on the
validation sets; nothing is exported. The study is on disk: the same command continues a sweep that was killed.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from akin.storage.digest import file_digest
from training.command import run_command
from training.errors import ConfigurationError, FitError, RunError, TrainingError
from training.pipeline import run_folder
from training.pipeline.composition import compose, set_default_paths
from training.pipeline.configuration import Configuration, Dimension
from training.pipeline.run_folder import NEEDS, RECORD, STUDY, SWEEP, RunFolder
from training.pipeline.stage import digest_inputs
from training.pipeline.stages import BEFORE_TRAINING, run_stages
from training.pipeline.stages.prepare import corpus_path
from training.progress import log_progress

if TYPE_CHECKING:
    import optuna


_NOT_IN_A_STUDY = ("name", "paths", "tracking", "compress", "evaluation")


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

    A study belongs to one configuration and one corpus, because figures of others cannot be compared.

    Returns:
        The best trial, the number of trials, and the path of the plot.

    Raises:
        ConfigurationError: The space names a key that does not exist, or one that changes the prepared data.
        RunError: The folder belongs to a study of another configuration or another corpus.
    """
    configuration = compose(overrides)
    settings = configuration.sweep
    check_space(settings.space, overrides)
    folder = Path(configuration.paths.data) / "training" / f"sweep-{settings.name}"
    identity = identify(configuration)
    check_same_study(folder, identity)
    run = run_folder.create_run(folder, configuration, kind=SWEEP)
    run.record(study=identity)
    run_stages(run, BEFORE_TRAINING)
    study = open_study(folder, configuration)
    # Failed trials gave no value and are repeated.
    finished = sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.trials)
    for _ in range(settings.trials - finished):
        study.sampler = _new_sampler(configuration.seed + len(study.trials))
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


def identify(configuration: Configuration) -> dict[str, str]:
    """Return the digests of the parts of the configuration that decide a trial, and of the files that they name.

    The number of trials is left out, so that a study can be continued with more of them.

    Raises:
        CorpusError: The sample cannot be downloaded.
    """
    plain = msgspec.to_builtins(configuration)
    del plain["sweep"]["trials"]
    parts: dict[str, Any] = {name: part for name, part in plain.items() if name not in _NOT_IN_A_STUDY}
    corpus = corpus_path(configuration.data, Path(configuration.paths.data))
    files = {**digest_inputs(configuration), "data": {"papers": file_digest(corpus)}}
    parts |= {f"the files of {name}": named for name, named in files.items() if name not in _NOT_IN_A_STUDY}
    return {name: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest() for name, part in parts.items()}


def check_same_study(folder: Path, identity: dict[str, str]) -> None:
    """Check that the study in a folder, if there is one, has this identity.

    Raises:
        RunError: It has another one; the message names what changed.
    """
    if not (folder / STUDY).exists():
        return
    known = json.loads((folder / RECORD).read_bytes()).get("study", {})
    changed = [name for name in identity if known.get(name) != identity[name]]
    changed += [name for name in known if name not in identity]
    if changed:
        what = ", ".join(changed) if known else "it did not record them"
        raise RunError(
            f"the study in {folder} has another configuration or another corpus ({what}), so its trials cannot be "
            "compared with new ones. Give the new sweep its own name: sweep.name=NAME."
        )


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
            storage=JournalStorage(JournalFileBackend(str(folder / STUDY))),
            study_name=settings.name,
            pruner=optuna.pruners.MedianPruner(
                n_startup_trials=settings.startup_trials, n_warmup_steps=settings.warmup_looks
            ),
            direction="maximize",
            load_if_exists=True,
        )
    except OSError as error:
        raise RunError(f"{folder / STUDY} cannot be opened: {error.strerror}.") from error
    for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _new_sampler(seed: int) -> optuna.samplers.BaseSampler:
    """Return a sampler for one trial: with one seed for all, each start of the command would suggest equal values."""
    import optuna

    return optuna.samplers.TPESampler(seed=seed)


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
    from akin.charts import as_png, new_figure

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
