from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from akin.edge.proxies import trust_in
from akin.keys import Key
from retrieval_service.accounts import LocalAccounts
from retrieval_service.app import create_app
from retrieval_service.routes.costs import missing_cost, references_cost, search_cost, several
from retrieval_service.routes.rate_limit import RateLimit, charge
from retrieval_service.search.request import SearchRequest
from retrieval_service.settings import Settings
from tests.unit.clock import Clock


async def statuses(
    limit: RateLimit,
    times: int,
    client: str = "10.0.0.1",
    path: str = "/search",
    key: Key | None = None,
    reader: str = "",
) -> list[int]:
    seen: list[int] = []
    scope: dict[str, Any] = {"type": "http", "path": path, "client": (client, 1), "headers": []}
    if key is not None:
        scope["akin.key"] = key
    if reader:
        scope["headers"].append((b"akin-reader", reader.encode("latin-1")))

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    for _ in range(times):
        await limit(scope, None, send)  # type: ignore[arg-type]
    return seen


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.fixture
def limit(clock: Clock) -> RateLimit:
    return RateLimit(app, rate=2, burst=3, accounts=LocalAccounts(3, clock))


def kept(limit: RateLimit) -> Any:
    assert isinstance(limit._accounts, LocalAccounts)
    return limit._accounts.kept["address"]


async def test_a_burst_is_allowed_and_then_the_rate(limit: RateLimit, clock: Clock) -> None:
    assert await statuses(limit, 5) == [200, 200, 200, 429, 429]
    clock.now += 0.5
    assert await statuses(limit, 2) == [200, 429]
    clock.now += 3600
    assert await statuses(limit, 5) == [200, 200, 200, 429, 429]


async def test_each_client_has_a_limit_of_its_own(limit: RateLimit) -> None:
    assert await statuses(limit, 4, "10.0.0.1") == [200, 200, 200, 429]
    assert await statuses(limit, 4, "10.0.0.2") == [200, 200, 200, 429]
    assert await statuses(limit, 2, "2001:db8::1") == [200, 200]
    assert await statuses(limit, 2, "2001:db8::2") == [200, 429]
    assert await statuses(limit, 1, "2001:db8:1::2") == [200]


def key(name: str = "a", **more: Any) -> Key:
    return Key(id="0" * 8, name=name, digest="0" * 64, scopes=("search",), created=datetime.now(UTC), **more)


async def test_addresses_of_one_client_in_two_forms_are_one(limit: RateLimit) -> None:
    assert await statuses(limit, 3, "::ffff:192.0.2.1") == [200, 200, 200]
    assert await statuses(limit, 1, "192.0.2.1") == [429]
    assert await statuses(limit, 1, "::ffff:192.0.2.2") == [200]
    assert await statuses(limit, 4, "fe80::1%eth0") == [200, 200, 200, 429]
    assert await statuses(limit, 4, "::1") == [200, 200, 200, 429]


async def test_a_key_has_a_limit_of_its_own_wherever_it_comes_from(limit: RateLimit, clock: Clock) -> None:
    assert await statuses(limit, 4, "10.0.0.1", key=key()) == [200, 200, 200, 429]
    assert await statuses(limit, 1, "10.0.0.2", key=key()) == [429]
    assert await statuses(limit, 1, "10.0.0.1", key=key("b")) == [200]
    assert await statuses(limit, 1, "10.0.0.1") == [200]
    clock.now += 0.2
    # Two requests a second for all, ten for this key.
    assert await statuses(limit, 1, key=key()) == [429]
    clock.now += 0.1
    fast = key("fast", rate=10.0)
    assert await statuses(limit, 4, key=fast) == [200, 200, 200, 429]
    clock.now += 0.125
    assert await statuses(limit, 2, key=fast) == [200, 429]


async def test_only_keys_with_a_rate_are_limited_where_there_is_no_other(clock: Clock) -> None:
    limit = RateLimit(app, rate=0, burst=2, accounts=LocalAccounts(2, clock))
    assert await statuses(limit, 5) == [200] * 5
    assert await statuses(limit, 5, key=key()) == [200] * 5
    assert await statuses(limit, 3, key=key("b", rate=0.5)) == [200, 200, 429]


async def test_the_page_names_its_readers_and_nobody_else_may(clock: Clock) -> None:
    limit = RateLimit(app, rate=2, burst=2, accounts=LocalAccounts(2, clock), trusted=trust_in("127.0.0.1,10.1.0.0/16"))
    for page in ("127.0.0.1", "10.1.2.3"):
        for reader in (f"192.0.2.{page[-1]}", f"2001:db8:{page[-1]}::1"):
            assert await statuses(limit, 3, page, reader=reader) == [200, 200, 429]
    # A client that names others has one limit all the same.
    assert await statuses(limit, 1, "203.0.113.9", reader="198.51.100.1") == [200]
    assert await statuses(limit, 2, "203.0.113.9", reader="198.51.100.2") == [200, 429]
    assert await statuses(limit, 2, "127.0.0.1", reader="198.51.100.2") == [200, 200]


async def test_with_keys_only_the_pages_key_may_name_readers(limit: RateLimit) -> None:
    page = key("page", per_reader=True)
    for reader in ("192.0.2.1", "192.0.2.2"):
        assert await statuses(limit, 4, "203.0.113.1", key=page, reader=reader) == [200, 200, 200, 429]
    other = key("other")
    assert await statuses(limit, 3, key=other, reader="192.0.2.3") == [200] * 3
    assert await statuses(limit, 1, key=other, reader="192.0.2.4") == [429]


@pytest.mark.parametrize("reader", ["no address", "1.2.3.4, 5.6.7.8", "\xff", "1.2.3.4\r\nX: 1", "::" * 5000])
async def test_a_reader_that_is_no_address_is_not_believed(clock: Clock, reader: str) -> None:
    limit = RateLimit(app, rate=2, burst=2, accounts=LocalAccounts(2, clock), trusted=lambda address: True)
    assert await statuses(limit, 3, reader=reader) == [200, 200, 429]
    assert await statuses(limit, 1) == [429]


async def test_thousands_of_addresses_take_no_memory_and_free_no_key(limit: RateLimit) -> None:
    assert await statuses(limit, 4, key=key()) == [200, 200, 200, 429]
    for number in range(12_000):
        await statuses(limit, 1, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(kept(limit)) == 10_000
    assert await statuses(limit, 1, key=key()) == [429]


async def test_a_clock_that_goes_back_gives_and_takes_nothing(limit: RateLimit, clock: Clock) -> None:
    assert await statuses(limit, 3) == [200, 200, 200]
    clock.now -= 1000
    assert await statuses(limit, 1) == [429]
    clock.now += 0.5
    assert await statuses(limit, 2) == [200, 429]


async def test_a_request_that_costs_more_is_waited_for_and_says_what_is_left(clock: Clock) -> None:
    async def costly(scope: Any, receive: Any, send: Any) -> None:
        charge(scope, 4)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})

    limit = RateLimit(costly, rate=2, burst=10, accounts=LocalAccounts(10, clock))
    seen: list[dict[bytes, bytes]] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen.append(dict(message["headers"]))

    for _ in range(3):
        await limit({"type": "http", "path": "/search", "client": ("10.0.0.1", 1)}, None, send)  # type: ignore[arg-type]
    names = (b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset", b"retry-after")
    assert [tuple(each.get(name) for name in names) for each in seen] == [
        (b"10", b"5", b"3", None),
        (b"10", b"0", b"5", None),
        (b"10", b"0", b"5", b"1"),
    ]
    assert seen[0][b"x"] == b"y"


def test_what_requests_cost() -> None:
    assert search_cost(SearchRequest(text="a")) == search_cost(SearchRequest(text="a", k=50)) == 0
    assert search_cost(SearchRequest(text="a", k=51)) == search_cost(SearchRequest(text="a", k=100)) == 1
    assert search_cost(SearchRequest(text="a", k=100), 100) == 0
    assert search_cost(SearchRequest(text="a", rerank=1)) == search_cost(SearchRequest(text="a", rerank=10)) == 1
    assert search_cost(SearchRequest(text="a", rerank=50)) == 5
    assert search_cost(SearchRequest(text="a", highlight=True)) == 0
    assert search_cost(SearchRequest(text="a", highlight=True, nearest_sentences=True)) == 1
    assert search_cost(SearchRequest(text="a", chase=True)) == 1
    assert [missing_cost(count) for count in (1, 20, 1000)] == [10, 11, 60]
    assert [references_cost(count) for count in (0, 1, 10, 11, 2000)] == [0, 0, 0, 1, 199]
    assert [several(count, 8) for count in (0, 1, 8, 9, 16, 17)] == [0, 0, 0, 1, 1, 2]


async def test_health_and_documentation_are_not_limited(limit: RateLimit) -> None:
    assert set(await statuses(limit, 9, path="/health/ready") + await statuses(limit, 9, path="/docs")) == {200}


async def test_the_number_of_remembered_clients_is_bounded(limit: RateLimit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval_service.accounts._KEPT", 5)
    for number in range(50):
        await statuses(limit, 1, f"10.0.1.{number}")
    assert len(kept(limit)) == 5


def test_the_refusal_has_the_one_shape(tmp_path: Any) -> None:
    settings = Settings(data=tmp_path, rate_limit=0.1, rate_burst=1)
    app = create_app(settings)
    # Without entering the application's life nothing is opened; a refusal needs nothing.
    client = TestClient(app, raise_server_exceptions=False)
    client.get("/corpus")
    answer = client.get("/corpus")
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limited"
    assert answer.json()["error"].keys() == {"code", "message", "detail"}
    assert int(answer.headers["retry-after"]) == 10
    assert "akin" in client.get("/docs").text.lower()
