"""Define `akin embed`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from akin.cli.output import Json, print_json, read_settings, say
from akin.errors import BadSetting
from akin.messages import counted

if TYPE_CHECKING:
    from akin.indexing.bulk.encoders import EncoderPlan
    from akin.stack_settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(embed)


def embed(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Files of papers (Parquet too), folders of them, addresses such as s3://bucket/shards, or `sample`.",
        ),
    ],
    to: Annotated[str, typer.Option(metavar="FOLDER", help="Folder or address to write the Parquet files to.")],
    fields: Annotated[
        str | None,
        typer.Option("--map", help="For files of other fields: id=_id,title=title,abstract=text"),
    ] = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This machine, or a cluster of Ray.")] = "local",
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Head of a cluster of Ray. Default: one on this machine only.")
    ] = "",
    encoder: Annotated[
        str,
        typer.Option(
            help="`triton`: as akin index build; `process`: run by the process that embeds; or the address of a "
            "Triton. Default: triton on this machine, process on Ray."
        ),
    ] = "",
    least: Annotated[int, typer.Option(min=1, help="Actors of Ray at the start.")] = 1,
    most: Annotated[int, typer.Option(min=0, help="Most actors of Ray. 0: one for each of its cores.")] = 0,
    cores: Annotated[int, typer.Option(min=1, help="Cores of an actor of Ray.")] = 1,
    shard: Annotated[int, typer.Option(min=1, help="Papers of one Parquet file.")] = 4096,
    json: Json = False,
) -> None:
    """Embed papers into Parquet files, which `akin index build --embeddings FOLDER` takes.

    Repeat an interrupted command: finished files are kept. Files have the columns paper, text (digest of the text),
    encoder (digest) and vector.
    """
    import msgspec

    from akin.cli.corpus import corpus_path
    from akin.cli.index import progress_bar
    from akin.indexing.bulk.embed import embed_here, embed_papers
    from akin.indexing.bulk.on_ray import RayOptions, ray_engine
    from akin.indexing.bulk.shards import find_sources
    from akin.snapshots import cli_errors

    if engine == "local" and (address or most or (least, cores) != (1, 1)):
        raise BadSetting("--address, --least, --most and --cores are for --engine ray: add it, or leave them out.")
    settings = read_settings()
    given = [str(corpus_path(settings, each)) if each == "sample" else each for each in sources]
    run = ray_engine(RayOptions(address, least, most, cores)) if engine == "ray" else embed_here
    started = time.monotonic()
    with cli_errors():
        found = find_sources(given, fields)
        with _plan(settings, encoder or ("process" if engine == "ray" else "triton")) as plan, progress_bar() as show:
            made = embed_papers(found, to, plan, run, shard, show)
    if json:
        print_json(msgspec.to_builtins(made))
    if made.rejected:
        say("set aside: " + ", ".join(f"{count:,} {reason}" for reason, count in made.rejected.items()))
    say(
        f"{counted(made.papers, 'paper')} in {counted(len(made.files), 'file')} in {to}, {made.embedded:,} of them "
        f"embedded now, after {time.monotonic() - started:.1f} s; index them: akin index build SOURCE --embeddings {to}"
    )


@contextmanager
def _plan(settings: Settings, encoder: str) -> Iterator[EncoderPlan]:
    """Yield what opens the promoted encoder; Triton is started for it if it has to be.

    Raises:
        BadSetting: `encoder` is none of what the option takes.
    """
    from akin.indexing.bulk.encoders import plan_of
    from akin.registry.versions import MODEL, promoted_version
    from akin.stack.lifecycle import encoder_server

    if encoder == "triton":
        with encoder_server(settings, say) as (url, version):
            yield plan_of(settings.repository / MODEL / str(version.number), version.number, version.manifest, url=url)
        return
    if encoder != "process" and not encoder.startswith(("grpc://", "http://")):
        raise BadSetting(f"--encoder {encoder}: give triton, process, or an address such as grpc://10.0.0.2:8001.")
    version = promoted_version(settings.repository)
    url = "" if encoder == "process" else encoder
    yield plan_of(settings.repository / MODEL / str(version.number), version.number, version.manifest, url=url)
