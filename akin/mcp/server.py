"""The server of the tools, by the SDK; it serves any transport, and keeps nothing between requests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from akin.mcp.asking import Ask, ToolError
from akin.mcp.tools import INSTRUCTIONS, TOOLS, read_corpus

_log = logging.getLogger(__name__)
_BY_NAME = {tool.name: tool for tool in TOOLS}
_INPUTS = {tool.name: tool.takes.schema_of() for tool in TOOLS}
_OUTPUTS = {tool.name: tool.gives.schema_of() for tool in TOOLS}


def make_server(ask_of: Callable[[Any], Ask]) -> Server[Any]:
    """Return the server.

    Args:
        ask_of: Returns how to ask the API for a request, from the request that the transport attached; None on stdio.
    """

    async def list_tools(context: Any, params: PaginatedRequestParams | None) -> ListToolsResult:
        try:
            scope = (await read_corpus(ask_of(context.request))).scope()
        except ToolError as error:
            scope = f"The corpus is not available now: {error}"
        return ListToolsResult(tools=described(scope))

    async def call_tool(context: Any, params: CallToolRequestParams) -> CallToolResult:
        tool = _BY_NAME.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"There is no tool {params.name[:80]!a}. There are: {', '.join(_BY_NAME)}.")
        try:
            answer = await tool.run(tool.takes.read(params.arguments or {}), ask_of(context.request))
            text, content = answer.text(), answer.model_dump(mode="json")
        except ToolError as error:
            return _failure(str(error))
        except Exception:
            # The SDK would send the text of the exception.
            _log.exception("The tool %s failed", tool.name)
            return _failure("Internal error of the service. Its log has the details.")
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=content)

    return Server(
        "akin",
        version="1",  # of the interface, as in its OpenAPI document; images have no metadata of the package
        title="Akin",
        instructions=INSTRUCTIONS,
        # Without it, the SDK would list the tools, and ask for the corpus, before each call.
        get_tool_input_schema=_INPUTS.get,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def described(scope: str) -> list[Tool]:
    """Return the tools for clients, with the corpus in their descriptions."""
    return [
        Tool(
            name=tool.name,
            title=tool.title,
            description=f"{tool.description} {scope}",
            input_schema=_INPUTS[tool.name],
            output_schema=_OUTPUTS[tool.name],
            annotations=ToolAnnotations(
                read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
            ),
        )
        for tool in TOOLS
    ]


def _failure(message: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=message)], is_error=True)
