"""Define `akin push` and `akin fetch`: models and snapshots in a bucket."""

from __future__ import annotations

from typing import Annotated

import typer

from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import BadSetting

push = typer.Typer(no_args_is_help=True)
fetch = typer.Typer(no_args_is_help=True)

To = Annotated[
    str,
    typer.Argument(metavar="ADDRESS", help="Folder of a bucket: gs://bucket/folder, s3://, az:// or file:///folder."),
]
From = Annotated[
    str,
    typer.Argument(
        metavar="[ADDRESS[@DIGEST]]",
        help="Address that was pushed to; with a digest, exactly that bundle.",
        show_default=False,
    ),
]


@push.callback()
def push_group() -> None:
    """Push models or a snapshot to a bucket, from which servers fetch them at their start (docs/cloud.md)."""


@fetch.callback()
def fetch_group() -> None:
    """Fetch models or a snapshot from a bucket; every byte is checked by its digest."""


@push.command("models")
def push_models(
    address: To,
    version: Annotated[
        list[int] | None, typer.Option(metavar="N", help="A further version of the encoder; may be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Push the promoted encoder and the promoted reranker, with their evaluations."""
    from akin import sources

    _print(address, sources.push_models(read_settings().repository, address, tuple(version or ()), say), json)


@push.command("snapshot")
def push_snapshot(
    address: To,
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", metavar="ID", help="Another snapshot than the live one.")
    ] = None,
    json: Json = False,
) -> None:
    """Push the live snapshot, with its map."""
    from akin import sources

    _print(address, sources.push_snapshot(read_settings().data, address, snapshot, say), json)


@push.command("prune")
def prune(
    address: To,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="DIGEST", help="A further bundle to keep; may be repeated.")
    ] = None,
) -> None:
    """Delete all bundles of an address but the latest one: nothing that runs may be pinned to them."""
    from akin import bundles

    place = bundles.Place(bundles.parse_source(address).address)
    say(f"{bundles.prune(place, tuple(keep or ()))} bundles deleted in {place.address}")


@fetch.command("models")
def fetch_models(source: From = "", json: Json = False) -> None:
    """Fetch models, and promote here what is promoted there. Default: AKIN_MODELS_SOURCE."""
    from akin import sources
    from akin.settings import Sources

    settings, address = read_settings(), source or Sources.read().models_source
    _print(_given(address, "AKIN_MODELS_SOURCE"), sources.fetch_models(settings.repository, address, say), json)


@fetch.command("snapshot")
def fetch_snapshot(source: From = "", json: Json = False) -> None:
    """Fetch a snapshot and make it the live one. Default: AKIN_SNAPSHOT_SOURCE."""
    from akin import sources
    from akin.settings import Sources

    settings, address = read_settings(), source or Sources.read().snapshot_source
    _print(_given(address, "AKIN_SNAPSHOT_SOURCE"), sources.fetch_snapshot(settings.data, address, say), json)


def _given(address: str, variable: str) -> str:
    if not address:
        raise BadSetting(f"name the address that was pushed to, or set {variable}.")
    return address


def _print(address: str, bundle: object, json: bool) -> None:
    from akin.bundles import Bundle, Source, parse_source

    assert isinstance(bundle, Bundle)
    source = Source(parse_source(address).address, bundle.digest)
    if json:
        print_json({"source": str(source), "name": bundle.name, "files": len(bundle.files), "bytes": bundle.size})
    else:
        print(source)
