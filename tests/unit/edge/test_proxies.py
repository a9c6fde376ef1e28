"""Test whose headers are believed, and which path an application gets."""

from __future__ import annotations

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from akin.edge import refuse
from akin.edge.proxies import BehindProxy

SAID = {"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https", "x-forwarded-host": "a.example"}


async def answered(
    path: str, client: str = "10.0.0.7", root: str = "/akin", more: dict[str, str] | None = None
) -> httpx.Response:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value.decode() for name, value in scope["headers"] if name == b"x-forwarded-host"]
        seen = {"path": scope["path"], "scheme": scope["scheme"], "client": scope["client"][0], "hosts": hosts}
        await refuse(send, 200, seen | {"names": [name.decode() for name, _ in scope["headers"]]})

    transport = httpx.ASGITransport(BehindProxy(app, "10.0.0.0/24,::1", root), client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as browser:
        return await browser.get(path, headers=SAID | (more or {}))


@pytest.mark.parametrize("client", ["10.0.0.7", "::1"])
async def test_a_trusted_proxy_is_believed(client: str) -> None:
    seen = (await answered("/", client)).json()
    assert {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"} <= set(seen.pop("names"))
    assert seen == {"path": "/", "scheme": "https", "client": "192.0.2.1", "hosts": ["a.example"]}


@pytest.mark.parametrize("client", ["10.0.0.7", "10.0.1.7"])
@pytest.mark.parametrize("name", ["X-Gradio-Server", "Forwarded", "X-Forwarded-Prefix", "X-Forwarded-Server"])
async def test_what_nobody_reads_is_removed(client: str, name: str) -> None:
    assert name.lower() not in (await answered("/", client, more={name: "https://evil.example"})).json()["names"]


async def test_others_are_not() -> None:
    seen = (await answered("/", "10.0.1.7")).json()
    assert not [name for name in seen.pop("names") if "forwarded" in name]
    assert seen == {"path": "/", "scheme": "http", "client": "10.0.1.7", "hosts": []}


@pytest.mark.parametrize(("path", "seen"), [("/akin/a", "/a"), ("/akin/", "/"), ("/a", "/a"), ("/akinx", "/akinx")])
async def test_the_root_path_is_removed_once(path: str, seen: str) -> None:
    assert (await answered(path)).json()["path"] == seen


async def test_the_root_path_alone_leads_to_the_page() -> None:
    answer = await answered("/akin")
    assert (answer.status_code, answer.headers["location"]) == (308, "/akin/")
