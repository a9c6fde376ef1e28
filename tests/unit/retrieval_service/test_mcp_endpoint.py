"""Test how the endpoint of the tools starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from retrieval_service.routes import mcp


class Manager:
    """Manager of the transport that runs until it is told to fail."""

    def __init__(self) -> None:
        self.failing = asyncio.Event()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.fail())
            yield

    async def fail(self) -> None:
        await self.failing.wait()
        raise RuntimeError("broken")


def test_a_failure_lasts_for_one_request_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Manager] = []

    def make() -> Any:
        made.append(Manager())
        if len(made) == 1:
            raise ImportError("a part is missing")
        return made[-1]

    monkeypatch.setattr(mcp, "_make_manager", make)

    async def use() -> None:
        endpoint = mcp.McpEndpoint(())
        with pytest.raises(ImportError):
            await endpoint._start()
        second: Any = await endpoint._start()
        assert await endpoint._start() is second
        second.failing.set()
        await asyncio.sleep(0.01)
        assert await endpoint._start() is made[2]
        await endpoint.stop()

    asyncio.run(use())
