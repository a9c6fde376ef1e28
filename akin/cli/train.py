"""Define `akin train`: fine-tune an encoder, or train a reranker, on a corpus."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.corpus import corpus_path
from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import BadSetting

if TYPE_CHECKING:
    from akin.stack_settings import Settings

SWEEP = "sweep"
RERANKER = "reranker"


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(train)


def train(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[sweep | reranker] [GROUP=NAME | KEY=VALUE]...",
            help="Settings to change, such as experiment=arxiv_cpu data.papers=FILE. `sweep`: search for the best. "
            "`reranker`: train a reranker; keys such as papers=FILE minutes=30.",
        ),
    ] = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Continue a run; `last` is the newest.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Show where the time of a training step goes.")] = False,
    processes: Annotated[int, typer.Option(min=1, help="Processes to train in, one for each GPU.")] = 1,
    json: Json = False,
) -> None:
    """Train an encoder and export it as a new version, evaluated. Groups and keys: docs/training.md."""
    from akin.training_environment import run_in_training

    settings = read_settings()
    wanted = list(overrides or [])
    # The training commands read these from the environment, as they do under DVC.
    os.environ["AKIN_DATA"], os.environ["AKIN_MODEL_REPOSITORY"] = str(settings.data), str(settings.repository)
    if wanted[:1] == [SWEEP]:
        if resume or profile or processes > 1:
            raise BadSetting("sweep always continues its study: leave out --resume, --profile and --processes.")
        report(run_in_training(settings, "pipeline.sweep", wanted[1:], "the trials that ended are kept"), json)
        return
    if wanted[:1] == [RERANKER]:
        if resume or profile or processes > 1:
            raise BadSetting(
                "reranker continues the training in its folder: leave out --resume, --profile, --processes."
            )
        left = "the same command continues a training that had begun"
        result = run_in_training(settings, "reranker.train", reranker_arguments(settings, wanted[1:]), left)
        if json:
            print_json(result)
        else:
            say(
                f"the reranker is in {result['folder']}; serve it with: akin reranker export --model {result['folder']}"
            )
        return
    arguments = [*(["--resume", resume] if resume else []), *(["--profile"] if profile else [])]
    arguments += ["--processes", str(processes), *wanted]
    report(
        run_in_training(
            settings,
            "pipeline.run",
            arguments,
            "the registry is unchanged; to continue a run that had begun: akin train --resume last",
        ),
        json,
    )


def reranker_arguments(settings: Settings, overrides: list[str]) -> list[str]:
    """Return the options of `training.reranker.train` for words of the form KEY=VALUE.

    Raises:
        BadSetting: A word has another form, or there are no papers.
    """
    arguments = ["--data", str(settings.data / "training")]
    for word in overrides:
        key, sign, value = word.partition("=")
        if not sign or not key.replace("_", "").isalnum():
            raise BadSetting(f"{word!r} is not KEY=VALUE, such as papers=FILE or minutes=30.")
        if key == "papers":
            value = str(corpus_path(settings, value))
        arguments.append(f"--{key.replace('_', '-')}={value}")
    if not any(each.startswith("--papers=") for each in arguments):
        raise BadSetting("reranker needs papers to train on: papers=FILE, papers=sample, or the folder of a run.")
    return arguments


def report(result: dict[str, Any], json: bool) -> None:
    """Print the result of a training or of a sweep."""
    if json:
        print_json(result)
        return
    if "best" in result:
        say(f"best of {result['trials']} trials: MRR@10 {result['best']['value']:.4f}, plot {result['plot']}")
        say(
            "train with it: akin train " + " ".join(f"{key}={value}" for key, value in result["best"]["params"].items())
        )
        return
    say(f"run {result['run']}")
    if "version" in result:
        version = result["version"]
        say(
            f"encoder version {version['number']} is exported"
            + (" and promoted" if version["promoted"] else f"; see akin encoder info {version['number']}")
        )
