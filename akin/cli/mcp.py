"""Define `akin mcp`: the tools of the Model Context Protocol, over standard input and output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from akin.cli.output import read_settings, say
from akin.errors import NotSetUp

if TYPE_CHECKING:
    from akin.mcp.asking import Reply

_SECONDS = 60


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(mcp)


def mcp(
    url: Annotated[
        str | None, typer.Option(help="Address of a running service, such as https://papers.example/akin.")
    ] = None,
) -> None:
    """Serve the tools for assistants on standard input and output; a client starts this command.

    The tools ask the running service, whose own address for clients over HTTP ends in /mcp. docs/mcp.md shows the
    configuration of clients.
    """
    try:
        from mcp.server.stdio import stdio_server
    except ImportError:
        raise NotSetUp("akin mcp needs the package mcp: pip install 'akin[mcp]'") from None
    import asyncio
    import os
    import signal

    import httpx

    from akin.mcp.asking import Reply, ToolError
    from akin.mcp.server import make_server

    settings = read_settings()
    address = (url or settings.service_url).rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{address} is no address: write it with http:// or https://", param_hint="--url")
    # Assistants and their logs keep what the tools say.
    shown = re.sub("(?<=://)[^/?#]*@", "", address)

    async def serve() -> None:
        async with httpx.AsyncClient(
            timeout=_SECONDS, trust_env=False, follow_redirects=True, headers=settings.api_headers
        ) as client:

            async def ask(path: str, body: Mapping[str, Any] | None = None) -> Reply:
                try:
                    method = "GET" if body is None else "POST"
                    answer = await client.request(method, f"{address}{path}", json=body)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    hint = "Start it with: akin up" if url is None else "Check the address that --url gives."
                    reason = str(error) or type(error).__name__
                    raise ToolError(f"No service answers at {shown} ({reason}). {hint}") from None
                return Reply(answer.status_code, answer.content, answer.headers.get("retry-after", ""))

            server = make_server(lambda request: ask)
            async with stdio_server() as (received, sent):
                await server.run(received, sent, server.create_initialization_options())

    # The thread that reads standard input cannot be interrupted, and there is nothing to clean up.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda number, frame: os._exit(130))
    say(f"akin mcp: tools of {shown}; this is the protocol, for a client: see docs/mcp.md")
    asyncio.run(serve())
