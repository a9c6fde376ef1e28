"""Define `akin map build | info | export`."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.index import progress_bar, say_where
from akin.cli.output import Json, print_json, print_rows, read_settings, say
from akin.errors import PapersUnusable
from akin.messages import counted, write_errors

if TYPE_CHECKING:
    from retrieval_service.corpus.map_files import MapManifest

app = typer.Typer(no_args_is_help=True, help="The corpus as a map: build it, describe it, draw it.")
Snapshot = Annotated[str | None, typer.Argument(help="A snapshot's id. Default: the live one.")]


class Colour(StrEnum):
    """Meaning of a point's colour."""

    GROUP = "group"
    YEAR = "year"


@app.command()
def build(
    snapshot: Snapshot = None,
    sample: Annotated[
        int, typer.Option(min=5, help="Papers that are laid out, at most; the others are placed among them.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample and of the layout.")] = 1,
    json: Json = False,
) -> None:
    """Lay the papers of a snapshot out on a plane and name its regions; a running service shows the map at once.

    Papers with near vectors are near. Needs the extra `map`. `akin index update` gives new papers a place by itself.
    """
    from akin import maps

    started = time.monotonic()
    settings = read_settings()
    found = maps.build(settings, snapshot, sample=sample, seed=seed, say=say, bar=progress_bar)
    if json:
        print_json(as_json(found))
    say(
        f"map of {counted(found.placed, 'paper')}, {found.sampled:,} of them laid out, "
        f"in {time.monotonic() - started:.0f} s; snapshot {found.snapshot}"
    )
    say_where(settings, "map", "the map")


@app.command()
def info(snapshot: Snapshot = None, json: Json = False) -> None:
    """Describe the map of a snapshot: its papers, its groups, and papers that were placed since it was laid out."""
    from akin import maps

    found = maps.open_of(read_settings(), snapshot).manifest
    if json:
        print_json(as_json(found))
        return
    without = found.papers - found.placed
    rows = {
        "snapshot": found.snapshot,
        "papers": f"{found.placed:,}" + (f"; {without:,} have no vector and no place" if without else ""),
        "laid out": f"{found.sampled:,} by {found.method}, seed {found.seed}",
        "added": f"{found.added:,} placed by updates since",
        "years": f"{found.first_year} to {found.last_year}" if found.last_year else "unknown",
        "labels": f"{len(found.labels):,}",
        "size": f"{sum(file.bytes for file in found.files.values()) / 1e6:,.1f} MB in {len(found.tiles)} tiles",
        "created": f"{found.created:%Y-%m-%d %H:%M:%S}",
    }
    print_rows(rows)
    for group in found.groups:
        print(f"  {group.name} {f'({group.code}) ' if group.code not in ('', group.name) else ''}{group.papers:,}")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The picture to write, .svg or .png.")],
    snapshot: Annotated[str | None, typer.Option(help="A snapshot's id. Default: the live one.")] = None,
    colour: Annotated[Colour, typer.Option(help="Colour of the points: by group of categories, or by year.")] = (
        Colour.GROUP
    ),
    labels: Annotated[int, typer.Option(min=0, max=200, help="Most labels.")] = 40,
) -> None:
    """Draw the map as a picture. Needs the extra `plots`."""
    from akin import maps

    if file.suffix.lower() not in (".svg", ".png"):
        raise PapersUnusable(f"{file}: name a file that ends in .svg or .png.")
    opened = maps.open_of(read_settings(), snapshot)
    try:
        from akin.cli.map_picture import write_picture
    except ImportError as error:
        raise PapersUnusable("a picture needs matplotlib: install akin with its extra `plots`.") from error
    with write_errors(file):
        write_picture(file, opened, by_year=colour is Colour.YEAR, most_labels=labels)
    say(f"{counted(opened.manifest.placed, 'paper')} drawn in {file}")


def as_json(found: MapManifest) -> dict[str, Any]:
    """Return the description of a map for programs, without its tiles."""
    import msgspec

    content: dict[str, Any] = msgspec.to_builtins(found)
    return {**{name: value for name, value in content.items() if name != "tiles"}, "version": found.version}
