"""Define `akin encoder export | recipes | list | info | evaluate | compare | gpu | promote | rollback | mirror | …`."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.corpus import corpus_path
from akin.cli.evaluate import Base, Papers, Sets, configured_gate
from akin.cli.evaluate import evaluate as evaluate_versions
from akin.cli.gpu import for_gpu
from akin.cli.output import Json, print_json, print_table, read_settings, say
from akin.errors import EncoderError, NotSetUp

if TYPE_CHECKING:
    from akin.registry.promotion import Promotion
    from akin.registry.versions import Version
    from akin.stack_settings import Settings

PRECISIONS = ("auto", "int8", "fp16", "fp32")
RECIPE_FIGURES = {"scifact": "SciFact", "scidocs": "SCIDOCS", "nfcorpus": "NFCorpus"}

app = typer.Typer(no_args_is_help=True, help="Export encoders, list their versions, and choose the one that serves.")


@app.command()
def export(
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "--source",
            help="A name that `akin encoder recipes` lists, a folder that sentence-transformers saved, or a hub id. "
            "Default: akin-minilm-l6, trained on arXiv.",
        ),
    ] = None,
    calibration: Annotated[str, typer.Option(help="Papers to calibrate INT8 with: a file, or `sample`.")] = "sample",
    precision: Annotated[
        str, typer.Option(help="`int8`, `fp16`, `fp32`, or `auto` for the first of these that passes the parity check.")
    ] = "auto",
    max_length: Annotated[
        int | None, typer.Option(help="The tokens of a text that are read. Default: the model's own, at most 512.")
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(help="The dimensions to keep of each vector, for models trained for it (Matryoshka).")
    ] = None,
    query_prompt: Annotated[
        str | None, typer.Option(help="The text before every query. Default: the model's prompt, or the recipe's.")
    ] = None,
    passage_prompt: Annotated[
        str | None, typer.Option(help="The text before every passage. Default: the model's prompt, or the recipe's.")
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(help="`cls`, `mean` or another, for a model that sentence-transformers did not save."),
    ] = None,
    adapter: Annotated[
        str | None, typer.Option(help="A bottleneck adapter to put into the layers: a folder or a hub id.")
    ] = None,
    layers: Annotated[int | None, typer.Option(help="The number of the model's layers to keep, evenly spaced.")] = None,
    token_count: Annotated[
        int | None, typer.Option(help="Drop tokens that occur less often in the calibration papers (WordPiece only).")
    ] = None,
    json: Json = False,
) -> None:
    """Export an encoder as a new version, quantised if its vectors allow it. Only the very first one is promoted."""
    if precision not in PRECISIONS:
        raise EncoderError(f"there is no precision {precision!r}; there are: {', '.join(PRECISIONS)}.")
    options: dict[str, str | int | None] = {
        "--precision": precision,
        "--max-length": max_length,
        "--dimensions": dimensions,
        "--query-prompt": query_prompt,
        "--passage-prompt": passage_prompt,
        "--pooling": pooling,
        "--adapter": adapter,
        "--layers": layers,
        "--token-count": token_count,
    }
    result = export_version(read_settings(), model, calibration, options)
    if json:
        print_json(result)
    else:
        version, promoted = result["version"], result.get("promoted")
        say(
            f"encoder version {version} is exported in {result['recipe']['precision']}"
            + (" and promoted" if promoted else f"; serve it with: akin encoder promote {version}")
        )


def export_version(
    settings: Settings,
    model: str | None,
    calibration: str,
    options: Mapping[str, str | int | None] | None = None,
) -> dict[str, Any]:
    """Run the export in the training environment and return its result; its progress goes to standard error.

    Args:
        settings: Where the repository and the training environment are.
        model: Name, folder or hub id; None for the default.
        calibration: Papers to calibrate with, as the command line names them.
        options: Further options of `training.registry.export`; None leaves one out.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: The export failed or refused to publish; its last line of output names the reason.
    """
    from akin.training_environment import run_in_training

    arguments = ["--repository", str(settings.repository), "--calibration", str(corpus_path(settings, calibration))]
    arguments += ["--model", model] if model else []
    # Joined by =, as a prompt or a path may begin with a dash.
    arguments += [f"{name}={value}" for name, value in (options or {}).items() if value is not None]
    return run_in_training(settings, "registry.export", arguments, "the registry is unchanged")


@app.command()
def recipes(json: Json = False) -> None:
    """List the encoders that can be exported by name, with their published relevance (nDCG@10)."""
    from akin.training_environment import run_in_training

    found = run_in_training(read_settings(), "registry.recipes", [], "nothing was changed")["recipes"]
    if json:
        print_json(found)
        return
    columns = ("name", "million parameters", "dim", "tokens", "licence", *RECIPE_FIGURES.values(), "choose it for")
    rows = [
        (
            each["name"],
            f"{each['parameters']:g}",
            *(str(each[key]) for key in ("dim", "tokens", "licence")),
            *(f"{figure:.3f}" if (figure := each["figures"][key]) else "" for key in RECIPE_FIGURES),
            each["choose"],
        )
        for each in found
    ]
    print_table(columns, rows)


@app.command("list")
def list_versions(json: Json = False) -> None:
    """List the versions in the registry."""
    from akin.registry import evaluations, versions

    repository = read_settings().repository
    found = versions.versions(repository)
    if json:
        print_json([version_as_json(repository, version) for version in found])
        return
    columns = ("version", "serves", "model", "dim", "length", "cosine to FP32", "created", "digest", "evaluated")
    rows = [
        (
            str(version.number),
            "yes" if version.promoted else "",
            *(str(version.manifest.get(name, "")) for name in ("name", "dim", "max_length")),
            f"{version.manifest.get('parity', {}).get('mean_cosine', float('nan')):.4f}",
            str(version.manifest.get("created", ""))[:16],
            version.digest[:12],
            "yes" if evaluations.read(repository, version.digest) else "",
        )
        for version in found
    ]
    if rows:
        print_table(columns, rows)
    else:
        print("no versions yet; make the first with: akin encoder export")


@app.command()
def info(
    version: Annotated[int | None, typer.Argument(help="A version's number. Default: the promoted one.")] = None,
    json: Json = False,
) -> None:
    """Describe a version: its source, how it was made, and how close its vectors are to those of its source."""
    from akin.registry import evaluations, versions

    repository = read_settings().repository
    found = versions.promoted_version(repository) if version is None else versions.find(repository, version)
    if json:
        print_json(version_as_json(repository, found))
        return
    print(f"version {found.number}{' (promoted)' if found.promoted else ''}")
    for name, value in found.manifest.items():
        text = jsonlib.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        print(f"  {name:<22} {text}")
    if evaluations.read(repository, found.digest):
        print(f"  {'evaluation':<22} {evaluations.folder(repository, found.digest)}")


def version_as_json(repository: Path, version: Version) -> dict[str, Any]:
    """Return a version as JSON: its number, its manifest, and a summary of its evaluation or null."""
    from akin.registry import evaluations

    report = evaluations.read(repository, version.digest)
    return {**asdict(version), "evaluation": report.summary(version.digest) if report else None}


@app.command()
def evaluate(
    version: Annotated[int, typer.Argument(help="The version to measure.")],
    sets: Sets = None,
    papers: Papers = None,
    base: Base = "default",
    json: Json = False,
) -> None:
    """Measure the search that users have with one version; `akin evaluate` measures several at once."""
    evaluate_versions([version], sets, papers, base, json=json)


@app.command()
def compare(
    what: Annotated[str, typer.Argument(help="What to compare: `calibration`, `pruning` or `quantisers`.")],
    sets: Annotated[list[Path], typer.Option("--set", help="A test collection in BEIR's layout.")],
    output: Annotated[Path | None, typer.Option(help="The folder for the table and the plots.")] = None,
    source: Annotated[str | None, typer.Option(help="A model: a folder or a hub id. Default: as for export.")] = None,
    calibration: Annotated[str, typer.Option(help="Papers to calibrate INT8 with: a file, or `sample`.")] = "sample",
) -> None:
    """Compare ways to compress a model by loss of relevance, time and size. Publish nothing."""
    from akin.training_environment import run_in_training

    settings = read_settings()
    folder = (output or settings.data / "comparisons" / what).absolute()
    arguments = [what, "--calibration", str(corpus_path(settings, calibration)), "--output", str(folder)]
    arguments += ["--cache", str(settings.data / "evaluation-vectors")]
    for each in sets:
        arguments += ["--set", str(each)]
    arguments += ["--source", source] if source else []
    run_in_training(settings, "compression.compare", arguments, "nothing was published")
    print((folder / "comparison.md").read_text())
    say(f"table and plots are in {folder}")


app.command("gpu")(for_gpu)


@app.command()
def promote(
    version: Annotated[int, typer.Argument(help="The version to serve.")],
    override: Annotated[
        str | None,
        typer.Option(
            metavar="REASON", help="Promote it without proof by an evaluation; the reason is stored in the history."
        ),
    ] = None,
) -> None:
    """Promote a version whose hybrid search is better than the serving one's on a set, and inferior on none.

    An index made with another encoder must then be built again.
    """
    from akin.registry import promotion

    settings = read_settings()
    line = promotion.promote(settings.repository, version, override=override, gate=configured_gate(settings))
    if line is None:
        say(f"encoder version {version} is already promoted")
        return
    report_promotion(line)


@app.command()
def rollback() -> None:
    """Go back to the version that served before. Repeat to go back further."""
    from akin.registry import promotion

    report_promotion(promotion.rollback(read_settings().repository))


@app.command()
def mirror(
    tracker: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[GROUP=NAME|KEY=VALUE]...",
            help="The tracker, such as `tracking=mlflow`, or `tracking=wandb tracking.mode=online`. "
            "Default: AKIN_ENCODER_MIRROR.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Register every version in MLflow or Weights & Biases; the promoted one is `champion`, the newest `challenger`."""
    settings = read_settings()
    chosen = tracker or list(settings.encoder_mirror)
    if not chosen:
        raise EncoderError("no tracker is named: give one, such as tracking=mlflow, or set AKIN_ENCODER_MIRROR.")
    aliases = mirror_registry(settings, chosen)
    if json:
        print_json(aliases)
    else:
        listed = ", ".join(f"{alias} is version {number}" for alias, number in aliases.items())
        say(f"the registry is mirrored: {listed or 'no version is promoted'}")


def mirror_registry(settings: Settings, tracker: Sequence[str]) -> dict[str, int]:
    """Mirror the registry in a tracker by the training environment, and return the version of each alias.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: The tracker cannot be used.
    """
    from akin.training_environment import run_in_training

    aliases: dict[str, int] = run_in_training(settings, "pipeline.mirror", [*tracker], "the promotion is unchanged")
    return aliases


@app.command()
def history(json: Json = False) -> None:
    """List every promotion: time, version, and reason."""
    import msgspec

    from akin.registry import promotion

    found = promotion.history(read_settings().repository)
    if json:
        print_json(msgspec.to_builtins(found))
        return
    if found:
        rows = [(line.at, str(line.version), str(line.before or ""), line.how, line.reason) for line in found]
        print_table(("at", "version", "before", "how", "reason"), rows)
    else:
        print("no version was promoted since the first export")


def report_promotion(line: Promotion) -> None:
    """Print what a promotion did, load the version into a running stack, and print the next step."""
    from akin.registry.switch import serve_promoted

    settings = read_settings()
    say(f"encoder version {line.version} is promoted ({line.how}: {line.reason})")
    beside = serve_promoted(settings, say)
    if settings.encoder_mirror:
        try:
            mirror_registry(settings, settings.encoder_mirror)
        except (EncoderError, NotSetUp) as error:  # the version serves; the mirror can follow later
            say(f"{error} Mirror it again: akin encoder mirror")
    say(
        "searches use it after an index made with it is live: akin index build SOURCE, or akin index use SNAPSHOT"
        + ("" if beside else ", then akin up")
    )
