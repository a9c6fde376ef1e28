"""Test the host names under which a server answers."""

from __future__ import annotations

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from akin.edge import AllowedHosts, HostCheck, parse_hosts, refuse

LIST = "example.org, *.papers.example, 10.0.0.7, [2001:db8::1]"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    forwarded = [value.decode() for name, value in scope["headers"] if name == b"x-forwarded-host"]
    await refuse(send, 200, {"forwarded": forwarded})


async def answered(
    listening: str, listed: str, host: str, client: str = "192.0.2.9", forwarded: str = ""
) -> httpx.Response:
    check = HostCheck(app, AllowedHosts.of(listening, parse_hosts(listed)))
    transport = httpx.ASGITransport(check, client=(client, 1))
    headers = {"host": host} | ({"x-forwarded-host": forwarded} if forwarded else {})
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as asks:
        return await asks.get("/", headers=headers)


@pytest.mark.parametrize(
    ("listening", "listed", "host", "status"),
    [
        ("127.0.0.1", "", "localhost", 200),
        ("127.0.0.1", "", "LocalHost:9999", 200),
        ("127.0.0.1", "", "127.0.0.1:8080", 200),
        ("127.0.0.1", "", "[::1]:8080", 200),
        ("127.0.0.1", "", "[0:0:0:0:0:0:0:1]", 200),
        ("::1", "", "[::1]", 200),
        ("localhost", "", "127.0.0.1", 200),
        ("127.0.0.2", "", "127.0.0.2", 200),
        ("127.0.0.1", "", "evil.example", 421),
        ("127.0.0.1", "", "127.0.0.1.evil.example", 421),
        ("127.0.0.1", "", "localhost.evil.example", 421),
        ("127.0.0.1", "", "192.168.1.5", 421),
        ("127.0.0.1", "", "[::2]", 421),
        ("127.0.0.1", "", "localhost@evil.example", 421),
        ("127.0.0.1", "", "evil.example#localhost", 421),
        ("127.0.0.1", "", "localhost:80:80", 421),
        ("127.0.0.1", "", "", 421),
        ("127.0.0.1", LIST, "example.org", 200),
        ("127.0.0.1", LIST, "127.0.0.1:8080", 200),
        ("127.0.0.1", LIST, "evil.example", 421),
        ("0.0.0.0", "", "evil.example", 200),
        ("0.0.0.0", LIST, "EXAMPLE.org.:443", 200),
        ("0.0.0.0", LIST, "www.example.org", 421),
        ("0.0.0.0", LIST, "a.b.papers.example", 200),
        ("0.0.0.0", LIST, "papers.example", 421),
        ("0.0.0.0", LIST, "evilpapers.example", 421),
        ("0.0.0.0", LIST, "10.0.0.7:80", 200),
        ("0.0.0.0", LIST, "[2001:db8:0::1]:80", 200),
        ("0.0.0.0", LIST, "localhost", 421),
        ("0.0.0.0", "example.org,0.0.0.0", "10.0.0.8:80", 200),
        ("0.0.0.0", "example.org,::", "[2001:db8::2]", 200),
        ("0.0.0.0", "example.org,0.0.0.0", "evil.example", 421),
        ("0.0.0.0", "*", "evil.example", 200),
        ("127.0.0.1", "*", "evil.example", 200),
    ],
)
async def test_names(listening: str, listed: str, host: str, status: int) -> None:
    answer = await answered(listening, listed, host)
    assert answer.status_code == status
    if status == 421:
        error = answer.json()["error"]
        assert (error["code"], error["detail"]) == ("host_not_allowed", {"setting": "AKIN_ALLOWED_HOSTS"})
        assert "AKIN_ALLOWED_HOSTS" in error["message"]


async def test_a_health_check_on_the_same_machine_needs_no_name() -> None:
    assert (await answered("0.0.0.0", LIST, "127.0.0.1:8080", client="127.0.0.1")).status_code == 200
    assert (await answered("0.0.0.0", LIST, "evil.example", client="127.0.0.1")).status_code == 421


@pytest.mark.parametrize(
    ("forwarded", "kept"), [("example.org", ["example.org"]), ("evil.example", []), ("evil.example, example.org", [])]
)
async def test_a_foreign_forwarded_name_is_removed(forwarded: str, kept: list[str]) -> None:
    answer = await answered("127.0.0.1", LIST, "localhost", forwarded=forwarded)
    assert answer.json() == {"forwarded": kept}


@pytest.mark.parametrize("hosts", [[], [b"localhost", b"evil.example"]])
async def test_a_request_has_one_name(hosts: list[bytes]) -> None:
    statuses: list[int] = []

    async def send(message: dict) -> None:  # type: ignore[type-arg]
        statuses.append(message.get("status", 0))

    scope = {"type": "http", "headers": [(b"host", host) for host in hosts], "client": ("127.0.0.1", 1)}
    await HostCheck(app, AllowedHosts.of("127.0.0.1", ()))(scope, None, send)  # type: ignore[arg-type]
    assert statuses[0] == 421


@pytest.mark.parametrize(
    "text", ["http://example.org", "example.org:80", "exam ple.org", "*.", "**", "a..b", "*.*.org"]
)
def test_invalid_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        parse_hosts(text)
