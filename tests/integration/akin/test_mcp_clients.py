"""The tools of the Model Context Protocol, used by the SDK's own client, over HTTP and over `akin mcp`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from tests.conftest import AKIN, RunningStack

QUERIES: list[dict[str, Any]] = [
    {"query": "graph neural networks for molecules"},
    {"query": "gamma ray bursts", "mode": "dense", "k": 5},
    {"query": "language", "mode": "lexical", "offset": 3},
    {"query": 'au:"A. Smith" OR cat:hep-th', "k": 20},
    {"query": "galaxies", "categories": ["astro-ph"], "from": "2000", "to": "2020-06"},
]


def with_client(stack: RunningStack, way: str, use: Callable[[Client], Awaitable[Any]]) -> Any:
    """Return what a function returns that uses a client over HTTP, of the old or the new protocol, or over stdio."""
    server: Any = f"{stack.settings.service_url}/mcp"
    if way == "stdio":
        server = stdio_client(StdioServerParameters(command=str(AKIN), args=["mcp"], env=stack.environment))

    async def run() -> Any:
        async with Client(server, mode="legacy" if way == "http-legacy" else "auto") as client:
            return await use(client)

    return asyncio.run(asyncio.wait_for(run(), 60))


@pytest.mark.parametrize("way", ["http", "http-legacy", "stdio"])
def test_a_client_finds_what_the_api_finds(sample_stack: RunningStack, way: str) -> None:
    async def use(client: Client) -> Any:
        assert client.server_info.name == "akin"
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        # The client checks structured content against the schema of the answer.
        assert all(tool.output_schema for tool in tools.values())
        info = (await client.call_tool("corpus_info", {})).structured_content
        assert f"Corpus: {info['papers']} papers" in (tools["search_papers"].description or "")
        found = [(await client.call_tool("search_papers", wanted)).structured_content for wanted in QUERIES]
        best = found[0]["results"][0]["id"]
        paper = (await client.call_tool("get_paper", {"id": best})).structured_content
        similar = (await client.call_tool("similar_papers", {"id": best, "k": 3})).structured_content
        like = [each["id"] for each in found[1]["results"][:3]]
        alike = (await client.call_tool("papers_like_list", {"like": like, "k": 3})).structured_content
        cited = (await client.call_tool("export_citations", {"ids": like})).structured_content
        wrong = await client.call_tool("get_paper", {"id": "nothing of the kind"})
        assert wrong.is_error
        assert "search by title or abstract" in wrong.content[0].text
        with pytest.raises(MCPError, match="There is no tool"):
            await client.call_tool("download_paper", {})
        return found, paper, similar, alike, cited, like

    found, paper, similar, alike, cited, like = with_client(sample_stack, way, use)
    url = sample_stack.settings.service_url

    def ids(body: dict[str, Any]) -> list[str]:
        return [each["id"] for each in httpx.post(f"{url}/search", json=body).raise_for_status().json()["results"]]

    assert [[each["id"] for each in one["results"]] for one in found] == [ids(wanted) for wanted in QUERIES]
    assert all(one["results"] for one in found[:3])
    assert paper["abstract"] == httpx.get(f"{url}/papers/{paper['id']}").json()["abstract"]
    assert [each["id"] for each in similar["results"]] == ids({"like": [paper["id"]], "k": 3})
    assert [each["id"] for each in alike["results"]] == ids({"like": like, "k": 3})
    assert cited["citations"] == httpx.post(f"{url}/citations", json={"ids": like}).text


def test_the_command_ends_at_a_signal_and_prints_nothing_of_its_own(sample_stack: RunningStack) -> None:
    with subprocess.Popen(
        [AKIN, "mcp"],
        env=sample_stack.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        assert command.stderr is not None
        assert command.stderr.readline().startswith(b"akin mcp: tools of http://")
        command.send_signal(signal.SIGTERM)
        assert command.wait(10) == 130
        assert command.stdout is not None
        assert command.stdout.read() == b""


def test_without_a_service_the_tools_say_how_to_start_one(sample_stack: RunningStack) -> None:
    async def use(client: Client) -> Any:
        assert len((await client.list_tools()).tools) == 6
        return await client.call_tool("corpus_info", {})

    environment = {**os.environ, **sample_stack.environment, "AKIN_SERVICE_PORT": "1"}
    failed = with_client(RunningStack(sample_stack.settings, environment), "stdio", use)
    assert failed.is_error
    assert "Start it with: akin up" in failed.content[0].text
