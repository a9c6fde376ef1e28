"""Count requests in Redis, and in this process while Redis fails; Redis itself is faked here."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from starlette.testclient import TestClient

from akin.settings import SettingsError
from retrieval_service.accounts import LocalAccounts
from retrieval_service.adapters.redis_accounts import SharedAccounts
from retrieval_service.app import create_app
from retrieval_service.settings import Settings
from tests.unit.clock import Clock


class Redis:
    """Fake of Redis: records what the script is run with, and answers or fails."""

    def __init__(self) -> None:
        self.answer: Any = [1, b"2.5"]
        self.asked: list[tuple[str, list[str]]] = []

    async def __call__(self, key: str, arguments: list[str]) -> Any:
        self.asked.append((key, arguments))
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.Event().wait()
        return self.answer


class Observer:
    def __init__(self) -> None:
        self.seen: list[bool] = []

    def record_shared_limits(self, shared: bool) -> None:
        self.seen.append(shared)


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(redis: Redis, observer: Observer, clock: Clock) -> SharedAccounts:
    return SharedAccounts("", 3, LocalAccounts(3, clock), observer, seconds=0.05, clock=clock, ask=redis)


async def test_a_request_is_one_run_of_the_script_and_names_nobody(accounts: SharedAccounts, redis: Redis) -> None:
    allowed, account = await accounts.take("address", "203.0.113.7", 2.0)
    assert (allowed, account.tokens, account.rate) == (True, 2.5, 2.0)
    [(key, arguments)] = redis.asked
    assert key.startswith("akin:rate:address:")
    assert "203.0.113.7" not in key
    assert arguments == ["2.0", "3", "1", "1"]
    await accounts.take("key", "203.0.113.7", 2.0)
    await accounts.take("address", "203.0.113.8", 2.0)
    assert len({key for key, _ in redis.asked}) == 3


async def test_a_refusal_and_what_a_request_costs_beyond_one(accounts: SharedAccounts, redis: Redis) -> None:
    redis.answer = [0, b"-1.5"]
    allowed, account = await accounts.take("key", "a", 2.0)
    assert (allowed, account.tokens) == (False, -1.5)
    account.charge(4)
    assert account.tokens == -5.5
    await accounts.close()
    assert [arguments[2] for _, arguments in redis.asked] == ["1", "4"]
    assert float(redis.asked[1][1][3]) < -1e300  # a charge is never refused


@pytest.mark.parametrize("failure", [ConnectionRefusedError(111, "refused"), None, [1], [1, b"many"], "OK", OSError()])
async def test_while_redis_fails_this_process_counts(
    accounts: SharedAccounts, redis: Redis, observer: Observer, caplog: pytest.LogCaptureFixture, failure: Any
) -> None:
    redis.answer = failure
    with caplog.at_level(logging.WARNING):
        assert [(await accounts.take("key", "a", 2.0))[0] for _ in range(5)] == [True, True, True, False, False]
    # One request has tried; no other has waited.
    assert len(redis.asked) == 1
    assert observer.seen == [False]
    assert accounts.trouble
    assert len(caplog.records) == 1
    assert "AKIN_RATE_REDIS" in caplog.text


async def test_one_request_a_second_tries_again_and_the_others_do_not_wait(
    accounts: SharedAccounts, redis: Redis, clock: Clock
) -> None:
    redis.answer = OSError("gone")
    await accounts.take("key", "a", 2.0)
    clock.now += 1.1
    redis.answer = None  # it hangs now
    before = len(redis.asked)
    await asyncio.gather(*(accounts.take("key", "a", 2.0) for _ in range(10)))
    assert len(redis.asked) == before + 1
    clock.now += 1.1
    redis.answer = [1, b"2"]
    allowed, account = await accounts.take("key", "a", 2.0)
    assert (allowed, account.tokens, accounts.trouble) == (True, 2.0, None)
    await accounts.take("key", "a", 2.0)
    assert len(redis.asked) == before + 3


async def test_a_charge_that_fails_is_no_error_of_the_request(accounts: SharedAccounts, redis: Redis) -> None:
    _, account = await accounts.take("key", "a", 2.0)
    redis.answer = OSError("gone")
    account.charge(5)
    await accounts.close()
    assert accounts.trouble == "gone"


@pytest.mark.parametrize(
    "url", ["localhost", "http://redis:6379", "redis://", "redis://a b", "redis://host/none", "redis://:p@ss@host/0"]
)
def test_an_address_that_cannot_be_one_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError, match="AKIN_RATE_REDIS is a secret: must look like") as refused:
        Settings.read({"AKIN_RATE_REDIS": url})
    assert url == "redis://" or url not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis",
        "redis://:secret@10.0.0.5:6379/0",
        "rediss://user:p%40ss@[::1]:6380/1?ssl_cert_reqs=none",  # pragma: allowlist secret
        "unix:///run/redis.sock",
    ],
)
def test_addresses_of_redis(url: str) -> None:
    settings = Settings.read({"AKIN_RATE_REDIS": url})
    assert settings.rate_redis.get_secret_value() == url
    assert "secret" not in repr(settings)


def test_a_service_without_its_redis_answers_and_says_why(tmp_path: Any) -> None:
    pytest.importorskip("redis", reason="the extra scale is not installed")
    settings = Settings(data=tmp_path, rate_limit=0.1, rate_burst=2, rate_redis="redis://127.0.0.1:1/0")
    app = create_app(settings)
    client = TestClient(app, raise_server_exceptions=False)
    assert [client.get("/corpus").status_code for _ in range(3)] == [500, 500, 429]
    assert "akin_rate_limits_shared 0.0" in app.state.metrics.text().decode()
