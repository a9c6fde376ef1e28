"""Page, command line, Python client (sync and async) and MCP tools find the same papers for a query."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from mcp import Client as McpClient
from typer.testing import CliRunner

from akin.cli import app
from akin_client import AsyncClient, BadRequest, Client
from gradio_ui import page
from gradio_ui.client import SearchService
from gradio_ui.settings import Settings as PageSettings
from gradio_ui.state import read_address
from gradio_ui.words import DEFAULT, words
from tests.conftest import RunningStack

QUESTIONS = (
    "how do neural networks answer questions over knowledge graphs?",
    "What limits the efficiency of solar cells",
    "Why is the sky of an exoplanet blue?",
    "graph neural networks",
    "dark matter halo",
    "transformer",
    "the of and",
    "naïve Bayes – Poincaré",
    "Schrödinger operator",
    "量子計算",
    "квантовая теория поля",
    "λ-calculus 🙂",
    r"$\alpha$-decay of CO$_2$",
    r"Erd\H{o}s--R\'enyi random graphs",
    r"\mathcal{N}=4 super Yang-Mills $SU(2)$",
    "xqzvkj wwwqqq",
    'Robert\'); DROP TABLE "papers" <b>&amp;</b> %00 100% a+b=c',
)
CONDITIONS = (
    "learning -deep",
    '"neural networks"',
    '-"neural networks" learning',
    "ti:graph",
    "abs:galaxies OR ti:graph",
    "(ti:learning OR ti:quantum) ANDNOT abs:deep",
    "ti:neur*",
    "cat:cs.LG learning",
    "cat:hep-th",
    "submittedDate:[2010 TO 2015] physics",
    'ti:"no such title of any paper" AND au:nobodyofthisname',
    'au:"',
    "ti:",
)
PARAMETERS: tuple[dict[str, Any], ...] = (
    {"query": "quantum field theory", "mode": "dense"},
    {"query": "quantum field theory", "mode": "lexical"},
    {"query": "learning", "categories": ["cs.LG", "stat.ML"]},
    {"query": "learning", "categories": ["cs"], "from": "2015"},
    {"query": "galaxies", "from": "2005", "to": "2012"},
    {"query": "galaxies", "from": "1900", "to": "1901"},
    {"query": "learning", "sort": "newest"},
    {"query": "learning", "sort": "oldest", "k": 7},
    {"query": "learning", "sort": "recent"},
    {"query": "cat:cs.LG", "sort": "oldest"},
    {"query": "language models", "diversity": 0.3},
    {"query": "language models", "diversity": 0.3, "sort": "recent"},
    {"query": "physics", "k": 5, "offset": 5},
    {"query": "physics", "k": 50, "offset": 300},
    {"query": "physics", "offset": 1000},
    {"query": "withdrawn", "withdrawn": "exclude"},
    {"query": "learning", "categories": ["no.Such"]},
    {"like": ["9999.99999"]},
)


def cases(stack: RunningStack) -> list[dict[str, Any]]:
    """Return the searches, with the parameters of `POST /search`."""
    with Client(stack.settings.service_url) as client:
        papers = [client.paper(one["id"]) for one in client.search("learning", mode="lexical", k=3)["results"]]
    ids = [paper["id"] for paper in papers]
    named = (
        papers[1]["title"], papers[2]["abstract"], ids[0], f"https://arxiv.org/abs/{ids[1]}v1", f"{ids[0]}, {ids[1]}",
        f"{ids[0]} -{ids[1]}", f'au:"{papers[0]["authors"][0]}"', "9999.99999",
    )  # fmt: skip
    texts = [{"query": text} for text in (*QUESTIONS, *CONDITIONS, *named)]
    liked = [{"like": ids[:1]}, {"like": ids[:2], "unlike": ids[2:]}, {"like": ids[:1], "categories": ["cs"], "k": 3}]
    return [*texts, *PARAMETERS, *liked]


Answer = list[str] | str
"""Ids in their order, or "refused"."""


def ids_of(answer: Any) -> list[str]:
    return [result["id"] for result in answer["results"]]


async def of_page(stack: RunningStack, searches: Sequence[dict[str, Any]]) -> list[Answer]:
    """Return what the page shows at the addresses of searches."""
    found: list[Answer] = []
    async with SearchService(PageSettings(service_url=stack.settings.service_url)) as service:
        for search in searches:
            fields = {"q" if name == "query" else name: value for name, value in search.items()}
            if fields.pop("diversity", 0):
                fields["varied"] = 1
            state, notes = read_address("?" + urlencode(fields, doseq=True))
            assert not notes
            shown = (await page.search(service, state, notes, words(DEFAULT))).results
            refused = "That cannot be searched for" in shown
            found.append("refused" if refused else re.findall(r'<article [^>]*data-id="([^"]*)"', shown))
    return found


def of_command_line(stack: RunningStack, searches: Sequence[dict[str, Any]]) -> list[Answer]:
    options = {"categories": "--category", "diversity": "--diversity", "k": "-k"}
    found: list[Answer] = []
    for search in searches:
        arguments = ["search", "--json"]
        for name, values in search.items():
            if name != "query":
                for value in values if isinstance(values, list) else [values]:
                    arguments += [options.get(name, f"--{name}"), str(value)]
        if "query" in search:
            arguments += ["--", search["query"]]
        done = CliRunner().invoke(app, arguments, env=stack.environment)
        found.append("refused" if done.exit_code else ids_of(json.loads(done.stdout)))
    return found


def of_client(stack: RunningStack, searches: Sequence[dict[str, Any]]) -> list[Answer]:
    found: list[Answer] = []
    with Client(stack.settings.service_url, retries=0) as client:
        for search in searches:
            try:
                found.append(ids_of(client.search(**search)))
            except BadRequest:
                found.append("refused")
    return found


async def of_async_client(stack: RunningStack, searches: Sequence[dict[str, Any]]) -> list[Answer]:
    async with AsyncClient(stack.settings.service_url, retries=0) as client:

        async def one(search: dict[str, Any]) -> Answer:
            try:
                return ids_of(await client.search(**search))
            except BadRequest:
                return "refused"

        return [await one(search) for search in searches]


async def of_tools(stack: RunningStack, searches: Sequence[dict[str, Any]]) -> list[Answer]:
    found: list[Answer] = []
    async with McpClient(f"{stack.settings.service_url}/mcp") as client:
        for search in searches:
            tool = "search_papers" if "query" in search else "papers_like_list"
            whole = {"abstracts": "none", "max_characters": 100_000}
            answer = await client.call_tool(tool, {**search, **whole})
            found.append("refused" if answer.is_error else ids_of(answer.structured_content))
    return found


def test_every_way_to_search_finds_the_same_papers(sample_stack: RunningStack) -> None:
    searches = cases(sample_stack)
    assert len(searches) >= 50
    expected = of_client(sample_stack, searches)
    # Of each kind there are some: found, nothing found, refused.
    assert sum(one != "refused" and bool(one) for one in expected) > 35
    assert [] in expected
    assert "refused" in expected
    ways = {
        "async client": asyncio.run(of_async_client(sample_stack, searches)),
        "page": asyncio.run(of_page(sample_stack, searches)),
        "command line": of_command_line(sample_stack, searches),
        "tools": asyncio.run(of_tools(sample_stack, searches)),
    }
    different = [
        f"{way}: {search} finds {one}, not {other}"
        for way, found in ways.items()
        for search, one, other in zip(searches, found, expected, strict=True)
        if one != other
    ]
    assert not different, "\n".join(different)
