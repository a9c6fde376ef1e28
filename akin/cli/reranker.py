"""Define `akin reranker export | list | promote | rollback`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.corpus import corpus_path
from akin.cli.evaluate import configured_gate
from akin.cli.output import Json, print_json, print_table, read_settings, say

if TYPE_CHECKING:
    from akin.registry.promotion import Promotion
    from akin.stack_settings import Settings

app = typer.Typer(no_args_is_help=True, help="Export rerankers, list their versions, and choose the one that serves.")


@app.command()
def export(
    model: Annotated[
        str,
        typer.Option(
            help="A CrossEncoder: a folder, a hub id, or ms-marco-MiniLM-L6-v2, ettin-reranker-17m, "
            "ettin-reranker-32m, mxbai-rerank-xsmall-v1."
        ),
    ],
    calibration: Annotated[str, typer.Option(help="Papers to calibrate INT8 with: a file, or `sample`.")] = "sample",
    json: Json = False,
) -> None:
    """Export a reranker as a new version, in INT8 if its scores are then close to the original's, else in FP32.

    Only the very first version is promoted.
    """
    from akin.training_environment import run_in_training

    settings = read_settings()
    arguments = ["--model", model, "--repository", str(settings.repository)]
    arguments += ["--calibration", str(corpus_path(settings, calibration))]
    result = run_in_training(settings, "reranker.export", arguments, "the registry is unchanged")
    if json:
        print_json(result)
        return
    version, precision = result["version"], result["recipe"]["precision"]
    say(
        f"reranker version {version} is exported in {precision}"
        + (" and promoted" if result["promoted"] else f"; serve it with: akin reranker promote {version}")
    )
    if result["promoted"]:
        load(settings)


@app.command("list")
def list_versions(json: Json = False) -> None:
    """List the versions of the reranker in the registry."""
    from akin.registry import versions

    found = versions.versions(read_settings().repository, versions.RERANKER)
    if json:
        print_json([asdict(version) for version in found])
        return
    columns = ("version", "serves", "model", "length", "precision", "correlation to FP32", "created", "digest")
    rows = [
        (
            str(version.number),
            "yes" if version.promoted else "",
            str(version.manifest.get("name", "")),
            str(version.manifest.get("max_length", "")),
            str(version.manifest.get("recipe", {}).get("precision", "")),
            f"{version.manifest.get('parity', {}).get('correlation', float('nan')):.4f}",
            str(version.manifest.get("created", ""))[:16],
            version.digest[:12],
        )
        for version in found
    ]
    if rows:
        print_table(columns, rows)
    else:
        print("no versions yet; make the first with: akin reranker export --model MODEL")


@app.command()
def promote(
    version: Annotated[int, typer.Argument(help="The version to serve.")],
    override: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Promote it without proof; the reason is stored in the history."),
    ] = None,
) -> None:
    """Promote a version whose results are better than hybrid search's on a set, and inferior on none, and load it."""
    from akin.registry import promotion, versions

    settings = read_settings()
    line = promotion.promote(
        settings.repository, version, override=override, gate=configured_gate(settings), model=versions.RERANKER
    )
    if line is None:
        say(f"reranker version {version} is already promoted")
    else:
        report(settings, line)


@app.command()
def rollback() -> None:
    """Go back to the version that served before. Repeat to go back further."""
    from akin.registry import promotion, versions

    settings = read_settings()
    report(settings, promotion.rollback(settings.repository, versions.RERANKER))


def report(settings: Settings, line: Promotion) -> None:
    """Print what a promotion did, and load the version into a running stack."""
    say(f"reranker version {line.version} is promoted ({line.how}: {line.reason})")
    load(settings)


def load(settings: Settings) -> None:
    """Load the promoted version into the running stack, if one runs."""
    from akin.stack import triton_key
    from akin.stack.record import find_running_stack
    from akin.stack.triton import load_reranker

    stack = find_running_stack(settings)
    if stack is None or not stack.serves:
        say("`akin up` serves it")
    elif load_reranker(
        stack.triton_http, settings.repository, settings.logs / "triton.log", key=triton_key.read(settings)
    ):
        say("the running stack serves it")
