"""`akin encoder export | list | info | promote`."""

from __future__ import annotations

import json as jsonlib
import os
import subprocess
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from akin import registry
from akin.cli.corpus import corpus_path
from akin.cli.output import Json, print_json, say, stdout
from akin.errors import EncoderError, NotSetUp
from akin.settings import ROOT, Settings

app = typer.Typer(no_args_is_help=True, help="The encoder: export it, list its versions, choose the one that serves.")


@app.command()
def export(
    source: Annotated[
        str | None,
        typer.Option(
            help="A sentence-transformers model: a folder or a hub id. Default: all-MiniLM-L6-v2 from its PyPI package."
        ),
    ] = None,
    calibration: Annotated[str, typer.Option(help="Papers to calibrate INT8 with: a file, or `sample`.")] = "sample",
    json: Json = False,
) -> None:
    """Export a quantised encoder as a new version. The very first is promoted, later ones are not."""
    result = export_version(Settings.read(), source, calibration)
    if json:
        print_json(result)
    else:
        version, promoted = result["version"], result.get("promoted")
        say(
            f"encoder version {version} is there"
            + (" and promoted" if promoted else f"; serve it with: akin encoder promote {version}")
        )


def export_version(settings: Settings, source: str | None, calibration: str) -> dict[str, Any]:
    """Runs the export in the training environment; its progress goes to standard error.

    Raises:
        NotSetUp: There is no training environment.
        EncoderError: The export failed or refused to publish; its own last line says why.
    """
    if not settings.training_python.exists():
        raise NotSetUp(f"no training environment at {settings.training_python}: run `make setup`.")
    command = [str(settings.training_python), "-m", "training.export", "--json"]
    command += ["--repository", str(settings.repository), "--calibration", str(corpus_path(settings, calibration))]
    command += ["--source", source] if source else []
    environment = {
        **os.environ,
        "PYTHONPATH": "",
        "PATH": f"{settings.training_python.parent}:{os.environ.get('PATH', '')}",
    }
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT, check=False)
    if done.returncode:
        raise EncoderError("the export did not succeed (its reason is above); the registry is as it was.")
    result: dict[str, Any] = jsonlib.loads(done.stdout)
    return result


@app.command("list")
def list_versions(json: Json = False) -> None:
    """List the versions in the registry."""
    found = registry.versions(Settings.read().repository)
    if json:
        print_json([asdict(version) for version in found])
        return
    table = Table("version", "serves", "model", "dim", "length", "cosine to FP32", "created", "digest", box=None)
    for version in found:
        made = version.manifest
        table.add_row(
            str(version.number),
            "yes" if version.promoted else "",
            str(made.get("name", "")),
            str(made.get("dim", "")),
            str(made.get("max_length", "")),
            f"{made.get('parity', {}).get('mean_cosine', float('nan')):.4f}",
            str(made.get("created", ""))[:16],
            version.digest[:12],
        )
    stdout.print(table if found else "no versions yet; make the first with: akin encoder export")


@app.command()
def info(
    version: Annotated[int | None, typer.Argument(help="A version's number. Default: the promoted one.")] = None,
    json: Json = False,
) -> None:
    """Describe a version: what it was made from, how, and how true it is to its original."""
    repository = Settings.read().repository
    found = registry.promoted(repository) if version is None else registry.find(repository, version)
    if json:
        print_json(asdict(found))
        return
    stdout.print(f"version {found.number}{' (promoted)' if found.promoted else ''}", markup=False)
    for name, value in found.manifest.items():
        text = jsonlib.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        stdout.print(f"  {name:<22} {text}", markup=False)


@app.command()
def promote(version: Annotated[int, typer.Argument(help="The version to serve.")]) -> None:
    """Choose the version that serves. An index made with another encoder has to be built again for it."""
    settings = Settings.read()
    found = registry.promote(settings.repository, version)
    say(f"encoder version {found.number} is promoted. For it to serve: akin down, akin index build SOURCE, akin up")
