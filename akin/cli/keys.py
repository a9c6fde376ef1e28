"""Define `akin keys`: the keys of the API's clients, which AKIN_KEYS asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from akin.cli.output import Json, print_json, print_table, read_settings, say
from akin.errors import KeysError

if TYPE_CHECKING:
    from akin.keys import Key, KeyFile
    from akin.stack_settings import Settings

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the client, such as notebook or search-page.")]


@app.callback()
def group() -> None:
    """Make, list, replace and revoke keys of the API; a running service follows within a second."""


@app.command()
def create(
    name: Name,
    scopes: Annotated[
        str,
        typer.Option(
            metavar="SCOPE,…",
            help="What it allows: search (searching and reading papers), embed (embedding and reranking texts), admin "
            "(the operators' port).",
        ),
    ] = "search",
    expires: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, max=36_500, help="Days after which it is not accepted.")
    ] = None,
    nprobe: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1024, help="Greatest nprobe (search_effort) of its requests.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="N", help="Requests a second, instead of AKIN_RATE_LIMIT.")
    ] = None,
    per_reader: Annotated[
        bool,
        typer.Option(help="Limit the rate of each address instead of the key's: for the key of the page's server."),
    ] = False,
    json: Json = False,
) -> None:
    """Make a key and print it; it is shown only this once.

    AKIN_KEYS=on makes the service ask for keys, which it reads from keys.json in the data folder.
    """
    settings = read_settings()
    with _errors():
        key, text = _file(settings).create(
            name, _scopes(scopes), days=expires, nprobe=nprobe, rate=rate, per_reader=per_reader
        )
    _print(key, text, json)
    _hint(settings)


@app.command("list")
def list_keys(json: Json = False) -> None:
    """Print the keys without their secret parts."""
    import time

    with _errors():
        keys = _file(read_settings()).read()
    now = time.time()
    if json:
        print_json([_record(key, now) for key in keys])
        return
    print_table(
        ("name", "id", "scopes", "created", "expires", "nprobe", "rate"),
        (
            (
                key.name,
                key.id,
                ", ".join(key.scopes),
                f"{key.created:%Y-%m-%d}",
                "never" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M}" + " (over)" * key.expired(now),
                str(key.nprobe or ""),
                ("" if key.rate is None else f"{key.rate:g}/s") + " per reader" * key.per_reader,
            )
            for key in keys
        ),
    )


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a client, or the id of one key.")],
) -> None:
    """Remove a key: the next request that has it is refused."""
    with _errors():
        removed = _file(read_settings()).revoke(name)
    say(f"Revoked: {', '.join(f'{key.name} ({key.id})' for key in removed)}")


@app.command()
def rotate(
    name: Name,
    overlap: Annotated[
        float, typer.Option(metavar="HOURS", min=0, max=8760, help="Hours for which the former key is still accepted.")
    ] = 24,
    json: Json = False,
) -> None:
    """Make a new key in place of one, with the same rights, and print it."""
    from datetime import timedelta

    settings = read_settings()
    with _errors():
        key, text = _file(settings).rotate(name, timedelta(hours=overlap))
    _print(key, text, json)
    say(f"The former key of {name} is accepted for {overlap:g} more hours." if overlap else "The former key is over.")
    _hint(settings)


def _file(settings: Settings) -> KeyFile:
    from akin.keys import KeyFile

    return KeyFile(settings.keys_file)


def _scopes(text: str) -> list[str]:
    return [part for part in text.replace(",", " ").split() if part]


def _record(key: Key, now: float) -> dict[str, object]:
    return {
        "name": key.name,
        "id": key.id,
        "scopes": list(key.scopes),
        "created": key.created.isoformat(),
        "expires": key.expires.isoformat() if key.expires else None,
        "expired": key.expired(now),
        "nprobe": key.nprobe,
        "rate": key.rate,
        "per_reader": key.per_reader,
    }


def _print(key: Key, text: str, json: bool) -> None:
    import time

    if json:
        print_json({"key": text, **_record(key, time.time())})
        return
    print(text)
    say("This is shown once. Clients send it as `Authorization: Bearer KEY`, or from AKIN_API_KEY.")


def _hint(settings: Settings) -> None:
    if settings.keys == "off":
        say("The service does not ask for keys yet: set AKIN_KEYS=on where it runs, and start it again.")


@contextmanager
def _errors() -> Iterator[None]:
    from akin.keys import KeysUnusable

    try:
        yield
    except (KeysUnusable, ValueError) as error:
        raise KeysError(str(error)) from None
