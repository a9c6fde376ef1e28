"""Define `akin evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.output import Json, print_json, print_table, read_settings, say
from akin.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from akin.registry.evaluations import Evaluation
    from akin.registry.promotion import Gate
    from akin.stack_settings import Settings

Sets = Annotated[
    list[Path] | None,
    typer.Option(
        "--set",
        help="A test collection in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/test.tsv). Default: those of "
        "AKIN_EVALUATION_SETS.",
    ),
]
Papers = Annotated[Path | None, typer.Option(help="Papers with categories, to measure subject agreement as well.")]
Base = Annotated[
    str,
    typer.Option(
        help="A model to compare in FP32: a folder, a hub id, `default`, or `none`, which compares no version with its "
        "FP32 weights either."
    ),
]

Rerankers = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="The version of the reranker. Default: the promoted one, if there is one."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    version: Annotated[
        list[int] | None, typer.Argument(help="Versions of the encoder. Default: the promoted one.")
    ] = None,
    sets: Sets = None,
    papers: Papers = None,
    base: Base = "default",
    reranker: Rerankers = None,
    rerank: Annotated[int, typer.Option(min=0, help="Best results that it puts in order; 0 measures none.")] = 30,
    json: Json = False,
) -> None:
    """Measure the search that users have with versions of the encoder: by words, by vectors, hybrid, and reranked."""
    from akin.registry import evaluations, versions

    settings = read_settings()
    numbers = version or [versions.promoted_version(settings.repository).number]
    result = run_evaluation(settings, numbers, sets, papers=papers, base=base, reranker=reranker, rerank=rerank)
    if json:
        print_json(result)
        return
    report = evaluations.read(settings.repository, versions.find(settings.repository, numbers[0]).digest)
    if report is not None:
        print_evaluation(report)
    say(f"report, model card and plots are in {result['folder']}")


def run_evaluation(
    settings: Settings,
    numbers: Sequence[int],
    sets: Sequence[Path] | None,
    *,
    papers: Path | None,
    base: str,
    reranker: int | None,
    rerank: int,
) -> dict[str, Any]:
    """Run the evaluation of versions in the training environment, and return its report with its `folder`.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: There is no such version or no set, or the evaluation failed; its last line of output names the
            reason.
    """
    from akin.registry import versions
    from akin.training_environment import run_in_training

    arguments = ["--repository", str(settings.repository), "--base", base]
    arguments += ["--cache", str(settings.data / "evaluation-vectors"), "--served", str(settings.data / "evaluation")]
    for number in dict.fromkeys(numbers):
        arguments += ["--version", str(versions.find(settings.repository, number).number)]
    if rerank:
        chosen = reranker or versions.promoted_number(settings.repository, versions.RERANKER)
        if chosen is not None:
            found = versions.find(settings.repository, chosen, versions.RERANKER)
            arguments += ["--reranker", str(found.number), "--rerank", str(rerank)]
    folders = sets or [Path(each).expanduser() for each in settings.evaluation_sets]
    if not folders:
        raise EncoderError("there is nothing to measure on: give --set FOLDER, or set AKIN_EVALUATION_SETS.")
    for folder in folders:
        arguments += ["--set", str(folder)]
    arguments += ["--papers", str(papers)] if papers else []
    return run_in_training(settings, "evaluation.evaluate", arguments, "earlier evaluations are unchanged")


def print_evaluation(report: Evaluation) -> None:
    """Print the metric that decides a promotion: one line for each system, one column for each set."""
    from akin.registry import evaluations

    sets = {name: each.metric for name, each in report.sets.items() if each.kind == evaluations.SEARCH}
    means = {(each.system, each.set): f"{each.mean:.4f}" for each in report.scores if sets.get(each.set) == each.metric}
    rows = [(system, *(means.get((system, name), "") for name in sets)) for system in report.systems]
    print_table(("search", *(f"{name}, {metric}" for name, metric in sets.items())), rows)


def configured_gate(settings: Settings) -> Gate:
    """Return the sets that decide a promotion, from the settings."""
    from akin.registry.promotion import Gate

    return Gate(
        required=tuple(name for each in settings.evaluation_sets for name in set_names(Path(each).expanduser())),
        primary=settings.primary_sets,
    )


def set_names(folder: Path) -> tuple[str, ...]:
    """Return the names that a folder's collections have in reports; the folder's own name if they cannot be read."""
    own = (folder.name.removeprefix("mteb:"),)
    try:
        from akin.relevance import RelevanceError, read_collections
    except ImportError:
        return own
    try:
        return tuple(collection.name for collection in read_collections([folder]))
    except RelevanceError:
        return own
