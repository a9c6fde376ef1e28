"""Define `akin fleet publish | use | list | prune | follow`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.output import Json, print_json, print_table, read_settings, say
from akin.errors import BadSetting

if TYPE_CHECKING:
    from akin.fleet import Edition

app = typer.Typer(no_args_is_help=True)

Store = Annotated[
    str,
    typer.Argument(
        metavar="[ADDRESS]",
        help="Folder of the store: gs://bucket/folder, s3://, az:// or file:///folder. Default: AKIN_FLEET_STORE.",
        show_default=False,
    ),
]
Channel = Annotated[
    str, typer.Option(metavar="NAME", help="Name of the channel. Default: AKIN_FLEET_CHANNEL.", show_default=False)
]


@app.callback()
def group() -> None:
    """Serve one snapshot with its encoder on many machines, which share an object store (docs/scaling.md)."""


@app.command()
def publish(
    address: Store = "",
    channel: Channel = "",
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", metavar="ID", help="Another snapshot than the live one.")
    ] = None,
    json: Json = False,
) -> None:
    """Push the live snapshot and the promoted models as one edition, and make a channel serve it."""
    from akin import fleet

    store, name = given(address, channel)
    show(fleet.publish(read_settings(), store, say, channel=name, snapshot=snapshot), json)


@app.command()
def use(
    edition: Annotated[
        str, typer.Argument(metavar="EDITION", help="Digest of an edition, or the first letters; or a channel's name.")
    ],
    address: Store = "",
    channel: Channel = "",
    json: Json = False,
) -> None:
    """Make a channel serve an edition that is in the store: go back, or take what another channel has tried."""
    from akin import fleet

    store, name = given(address, channel)
    show(fleet.use(store, edition, name, say), json)


@app.command("list")
def list_(address: Store = "", json: Json = False) -> None:
    """List the editions of the store, the newest first, with the channels that serve them."""
    from akin.bundles import Place
    from akin.fleet.edition import read_channels, read_editions

    place = Place(given(address, "")[0])
    channels = read_channels(place)
    found = [(each, [name for name in channels if channels[name] == each.digest]) for each in read_editions(place)]
    if json:
        print_json([{**as_json(each), "channels": names} for each, names in found])
    elif found:
        rows = [
            (
                each.digest[:12],
                ", ".join(names),
                each.snapshot,
                str(each.version),
                each.encoder[:12],
                f"{each.published:%Y-%m-%d %H:%M}",
            )
            for each, names in found
        ]
        print_table(("edition", "channels", "snapshot", "version", "encoder", "published"), rows)
    else:
        print("no editions; make the first: akin fleet publish")


@app.command()
def prune(
    address: Store = "",
    keep: Annotated[int, typer.Option(min=1, help="Number of the newest editions that stay.")] = 3,
) -> None:
    """Remove old editions from the store; those that a channel serves stay."""
    from akin import fleet

    fleet.prune(given(address, "")[0], keep, say)


@app.command()
def follow(
    address: Store = "",
    channel: Channel = "",
    once: Annotated[bool, typer.Option("--once", help="Take the channel's edition and end.")] = False,
    every: Annotated[float, typer.Option(min=1, max=3600, help="Seconds between two looks at the channel.")] = 10.0,
    keep: Annotated[int, typer.Option(min=1, help="Number of the newest snapshots that stay on this machine.")] = 2,
) -> None:
    """Keep this machine at the edition that a channel names, without interrupting its searches.

    What served before serves until the new snapshot and its encoder are here, checked and warm. Run it as a service.
    """
    from akin import fleet
    from akin.snapshots import cli_errors

    store, name = given(address, channel)
    follower = fleet.Follower(read_settings(), store, name, say, keep=keep)
    with cli_errors():
        if once:
            follower.look()
        else:
            follower.follow(every)


def given(address: str, channel: str) -> tuple[str, str]:
    """Return the address of the store and the channel, as given or as the settings have them.

    Raises:
        BadSetting: There is no address.
    """
    from akin.settings import Sources

    settings = Sources.read()
    if not (address or settings.fleet_store):
        raise BadSetting("name the store, such as gs://bucket/fleet, or set AKIN_FLEET_STORE.")
    return address or settings.fleet_store, channel or settings.fleet_channel


def as_json(edition: Edition) -> dict[str, object]:
    """Return an edition for programs."""
    import msgspec

    return {"edition": edition.digest, **msgspec.to_builtins(edition)}


def show(edition: Edition, json: bool) -> None:
    """Print an edition."""
    if json:
        print_json(as_json(edition))
    else:
        print(edition.digest)
