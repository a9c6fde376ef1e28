from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from retrieval_service.app import create_app
from retrieval_service.routes.rate_limit import RateLimit
from retrieval_service.settings import Settings
from tests.unit.clock import Clock


async def statuses(limit: RateLimit, times: int, client: str = "10.0.0.1", path: str = "/search") -> list[int]:
    seen: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    for _ in range(times):
        await limit({"type": "http", "path": path, "client": (client, 1)}, None, send)  # type: ignore[arg-type]
    return seen


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> RateLimit:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return RateLimit(app, rate=2, burst=3, clock=clock)


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


async def test_health_and_documentation_are_not_limited(limit: RateLimit) -> None:
    assert set(await statuses(limit, 9, path="/health/ready") + await statuses(limit, 9, path="/docs")) == {200}


async def test_the_number_of_remembered_clients_is_bounded(limit: RateLimit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval_service.routes.rate_limit._CLIENTS_KEPT", 5)
    for number in range(50):
        await statuses(limit, 1, f"10.0.1.{number}")
    assert len(limit._buckets) == 5


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
