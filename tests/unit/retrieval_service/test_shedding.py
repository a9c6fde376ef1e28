"""Test which searches are refused before a task for them begins, and that no more are passed than there is room for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette

from retrieval_service.metrics import Metrics
from retrieval_service.routes.shedding import Shedding


def shedding(room: int | None, root_path: str = "") -> Shedding:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    service = Starlette()
    if room is not None:
        service.state.service = SimpleNamespace(searches=SimpleNamespace(room=room, is_full=not room))
    return Shedding(app, service, Metrics(), {"X-Frame": "none"}, root_path)


async def test_a_search_is_refused_with_the_headers_of_every_answer() -> None:
    answer = shedding(room=0).refuse_at_once(b"POST", b"/search", [])
    assert answer is not None
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert {b"X-Frame: none", b"retry-after: 1", b"content-length: %d" % len(body)} <= set(head.split(b"\r\n"))
    assert b'"code":"overloaded"' in body.replace(b" ", b"")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        (b"GET", b"/search", []),
        (b"POST", b"/searches", []),
        (b"POST", b"/health", []),
        (b"POST", b"/v2/search", []),
        (b"POST", b"/akin/search", []),
        (b"POST", b"/search", [(b"origin", b"https://example.org")]),
    ],
)
async def test_other_requests_pass(method: bytes, path: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    assert shedding(room=0).refuse_at_once(method, path, headers) is None


@pytest.mark.parametrize("path", [b"/search", b"/v1/search", b"/akin/v1/embed", b"/embed"])
async def test_paths_below_a_prefix_are_known(path: bytes) -> None:
    assert shedding(room=0, root_path="/akin").refuse_at_once(b"POST", path, []) is not None


async def test_nothing_is_refused_before_the_service_is_ready() -> None:
    assert shedding(room=None).refuse_at_once(b"POST", b"/search", []) is None


async def test_a_round_passes_as_many_as_there_is_room_for() -> None:
    one = shedding(room=2)

    def passed() -> list[bool]:
        return [one.refuse_at_once(b"POST", b"/search", []) is None for _ in range(4)]

    assert passed() == [True, True, False, False]
    assert passed() == [False] * 4
    await asyncio.sleep(0)
    assert passed() == [True, True, False, False]


async def test_refusals_are_counted() -> None:
    one = shedding(room=0)
    for _ in range(3):
        one.refuse_at_once(b"POST", b"/v1/search", [])
    labels = {"route": "/search", "method": "POST", "status": "503"}
    names = {
        sample.name: sample
        for metric in one._metrics.registry.collect()
        for sample in metric.samples
        if labels.items() <= sample.labels.items()
    }
    assert any(sample.value == 3 for sample in names.values())
