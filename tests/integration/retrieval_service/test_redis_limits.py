"""Limits of rate that several services share in a real Redis or Valkey, and what happens when it fails."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from akin.stack.processes import free_ports
from retrieval_service.accounts import Account, LocalAccounts
from retrieval_service.adapters.redis_accounts import SharedAccounts
from retrieval_service.metrics import Metrics
from tests.integration.generated import Corpus
from tests.integration.service import client_of

SERVER = shutil.which("redis-server") or shutil.which("valkey-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="there is no Redis: apt-get install redis-server")
redis = pytest.importorskip("redis", reason="the extra scale is not installed")
PATIENT = 20.0  # seconds: a busy machine must not look like a Redis that fails


class Server:
    """Redis of its own, with a password, that keeps nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        [self.port] = free_ports(1)
        self.folder = folder
        self.url = f"redis://:secret@127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", "secret", "--save", ""]
        command = [str(SERVER), *options, "--dir", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


names = itertools.count()


@pytest.fixture
def name() -> str:
    """Return the name of a client that no other test has."""
    return f"client {next(names)}"


@asynccontextmanager
async def accounts(url: str, burst: int, seconds: float = PATIENT) -> AsyncIterator[SharedAccounts]:
    found = SharedAccounts(url, burst, LocalAccounts(burst), Metrics(), seconds=seconds)
    yield found
    await found.close()


async def test_accounts_behave_as_those_of_one_process(running: Server, name: str) -> None:
    """Play the same requests against both, and compare what is left after each."""
    rate, burst = 5.0, 4
    async with accounts(running.url, burst) as shared:
        local = LocalAccounts(burst)
        for charged, pause in ((0, 0), (0, 0), (3, 0), (0, 0), (0, 0.5), (0, 0.25), (0, 1.5), (0, 0)):
            await asyncio.sleep(pause)
            here = await local.take("key", name, rate)
            there = await shared.take("key", name, rate)
            assert here[0] == there[0]
            # Time passes between the two, at most a second on a machine that is very busy.
            assert abs(here[1].tokens - there[1].tokens) <= rate
            for account in (here[1], there[1]):
                account.charge(charged)
            await asyncio.gather(*shared._charges)


async def test_machines_share_an_account_and_count_each_request_once(running: Server, name: str) -> None:
    async with accounts(running.url, 50) as one, accounts(running.url, 50) as other:
        taken = await asyncio.gather(*(each.take("key", name, 0.001) for _ in range(60) for each in (one, other)))
        assert sum(allowed for allowed, _ in taken) == 50
        assert (one.trouble, other.trouble) == (None, None)


async def test_a_large_request_is_waited_for_on_every_machine(running: Server, name: str) -> None:
    async with accounts(running.url, 10) as one, accounts(running.url, 10) as other:
        account: Account
        _, account = await one.take("key", name, 0.001)
        account.charge(30)
        await asyncio.gather(*one._charges)
        allowed, account = await other.take("key", name, 0.001)
        assert not allowed
        assert account.tokens == pytest.approx(-21, abs=0.1)


async def test_an_account_is_forgotten_when_it_is_full(running: Server, name: str) -> None:
    async with accounts(running.url, 4) as shared:
        await shared.take("key", name, 2.0)
        client = redis.asyncio.Redis.from_url(running.url)
        [key] = [
            each
            async for each in client.scan_iter("akin:rate:key:*")
            if await client.hget(each, "tokens") == b"3.000000"
        ]
        assert name.encode() not in key
        assert 0 < await client.pttl(key) <= 1500
        await shared.take("key", name, 0.000001)
        assert await client.pttl(key) <= 10_000_000_000
        await client.aclose()


async def test_a_key_of_another_program_and_a_wrong_password_are_no_failed_request(running: Server, name: str) -> None:
    async with accounts(running.url, 2) as shared:
        client = redis.asyncio.Redis.from_url(running.url)
        await shared.take("key", name, 0.001)
        for key in [each async for each in client.scan_iter("akin:rate:key:*")]:
            await client.set(key, "text")
        assert [(await shared.take("key", name, 0.001))[0] for _ in range(3)] == [True, True, False]
        assert "WRONGTYPE" in str(shared.trouble)
        await client.flushall()
        await client.aclose()
    async with accounts(running.url.replace("secret", "guess"), 2) as shared:
        assert (await shared.take("key", name, 0.001))[0]
        assert shared.trouble
        assert "guess" not in shared.trouble


async def test_a_restarted_redis_is_used_again_at_once(own: Server, name: str) -> None:
    async with accounts(own.url, 5) as shared:
        await asyncio.gather(*(shared.take("key", name, 0.001) for _ in range(3)))
        own.stop()
        own.start()
        # Its connections are dead, its script is forgotten, its accounts are full: one repetition finds that out.
        allowed, account = await shared.take("key", name, 0.001)
        assert (allowed, shared.trouble) == (True, None)
        assert account.tokens == pytest.approx(4, abs=0.01)


async def test_answers_are_never_those_of_another_client(own: Server) -> None:
    """Give up many requests in the middle, as a slow Redis makes it: later ones get their own tokens."""
    async with accounts(own.url, 1000) as shared:
        for round_ in range(20):
            waiting = [asyncio.create_task(shared.take("key", f"a{n}", 0.001)) for n in range(10)]
            await asyncio.sleep(0.0005 * (round_ % 5))
            for task in waiting[::2]:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            own.send(signal.SIGSTOP)
            shared._seconds = 0.02
            await shared.take("key", "b", 0.001)
            own.send(signal.SIGCONT)
            shared._seconds = PATIENT
            shared.trouble = None
            for count in (1, 2, 3):
                _, account = await shared.take("key", f"c{round_}", 0.001)
                assert account.tokens == pytest.approx(1000 - count, abs=0.01)


def test_two_services_have_one_limit_and_go_on_without_redis(corpus: Corpus, own: Server) -> None:
    limits: dict[str, Any] = {"rate_limit": 0.001, "rate_burst": 6, "rate_redis": own.url}
    with ExitStack() as stack:
        clients = [stack.enter_context(client_of(corpus.data, corpus.encoder, **limits)) for _ in range(2)]
        for client in clients:
            client.app.state.accounts._seconds = PATIENT  # type: ignore[attr-defined]
        answers = [clients[n % 2].post("/search", json={"query": "gugipivu", "k": 2}) for n in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 6 + [429] * 2
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == [*"543210", "0", "0"]
        assert clients[0].get("/health/ready").json()["components"]["limits"] == {"status": "ok"}
        own.stop()
        statuses = [client.get("/corpus").status_code for _ in range(7) for client in clients]
        assert statuses == [200] * 12 + [429] * 2
        limited = clients[1].get("/health/ready").json()["components"]["limits"]
        assert limited["status"] == "local"
        assert limited["reason"]
        assert str(own.port) not in limited["reason"]
        text = clients[1].app.state.metrics.text().decode()  # type: ignore[attr-defined]
        assert "akin_rate_limits_shared 0.0" in text
        assert "akin_rate_limit_failures_total 1.0" in text
