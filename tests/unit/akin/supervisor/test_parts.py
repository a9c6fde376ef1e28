"""Test the start of parts and the probe of Triton, without Triton."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from akin.registry.versions import Version
from akin.stack import record
from akin.stack.processes import Child
from akin.stack.record import Stack
from akin.stack.supervisor import parts
from akin.stack.supervisor.health import Health
from akin.stack.supervisor.parts import HttpProbe, TritonProbe, encoders
from akin.stack_settings import Settings

UNHEALTHY = {"error": "Stub process 'text_encoder_0_0' is not healthy."}


class Server:
    """Stand-in for Triton that records its requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.infer: httpx.Response | Exception = httpx.Response(200, json={"outputs": []})
        self.counts = {1: 5}

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.path == "/metrics":
            name = "nv_inference_request_success"
            lines = [f'{name}{{model="text_encoder",version="{n}"}} {count}' for n, count in self.counts.items()]
            return httpx.Response(200, text="\n".join([f"# TYPE {name} counter", *lines, f'{name}{{model="other"}} 9']))
        if request.url.path.endswith("/infer"):
            if isinstance(self.infer, Exception):
                raise self.infer
            return self.infer
        return httpx.Response(200)

    def texts(self) -> list[str]:
        """Return the versions to which a text was sent since the last call."""
        versions = [path.split("/")[5] for path in self.asked if path.endswith("/infer")]
        self.asked.clear()
        return versions


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def look(settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch) -> TritonProbe:
    monkeypatch.setattr(parts, "client", lambda **_: httpx.Client(transport=httpx.MockTransport(server.answer)))
    serving(settings, [1])
    return TritonProbe(settings)


def serving(settings: Settings, numbers: list[int]) -> None:
    stack = Stack([], numbers, "", "", "", "", complete=True)
    record.create(settings, stack, Child("the supervisor", 1, 1, ""))


def test_a_triton_that_returns_vectors_is_healthy(look: TritonProbe, server: Server) -> None:
    assert look().health is Health.ANSWERS
    assert server.texts() == ["1"]


def test_no_text_is_sent_while_texts_of_clients_are_answered(look: TritonProbe, server: Server) -> None:
    look()
    server.texts()
    server.counts[1] += 3
    assert look().health is Health.ANSWERS
    assert server.texts() == []
    assert look().health is Health.ANSWERS
    assert server.texts() == ["1"]


def test_a_busy_triton_with_late_answers_is_healthy(look: TritonProbe, server: Server) -> None:
    look()
    server.infer = httpx.ReadTimeout("late")
    for _ in range(10):
        server.counts[1] += 1
        assert look().health is Health.ANSWERS
    assert look().health is Health.SILENT


def test_a_triton_whose_python_process_is_gone_is_broken(look: TritonProbe, server: Server) -> None:
    server.infer = httpx.Response(500, json=UNHEALTHY)
    found = look()
    assert found.health is Health.BROKEN
    assert found.fault.startswith("its encoder version 1 answers 500: {")
    assert "is not healthy" in found.fault


def test_every_served_version_is_probed(look: TritonProbe, server: Server, settings: Settings) -> None:
    serving(settings, [1, 2])
    look()
    assert server.texts() == ["1", "2"]


@pytest.mark.parametrize("status", [400, 404, 503])
def test_a_refusal_is_a_sign_of_life(look: TritonProbe, server: Server, status: int) -> None:
    server.infer = httpx.Response(status, json={"error": "version 1 is not at ready state"})
    assert look().health is Health.ANSWERS


@pytest.mark.parametrize(
    ("error", "health"),
    [(httpx.ConnectError("refused"), Health.BROKEN), (httpx.ReadTimeout("late"), Health.SILENT)],
)
def test_a_service_that_does_not_take_requests(
    error: Exception, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    monkeypatch.setattr(parts, "client", lambda **_: httpx.Client(transport=httpx.MockTransport(answer)))
    assert HttpProbe("http://127.0.0.1:1")().health is health


@pytest.mark.parametrize("status", [200, 400, 404, 421, 503])
def test_a_service_that_refuses_the_host_name_counts_as_running(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status))
    monkeypatch.setattr(parts, "client", lambda **_: httpx.Client(transport=transport))
    assert HttpProbe("http://127.0.0.1:1")().health is Health.ANSWERS


def test_a_restarted_triton_serves_the_promoted_the_needed_and_the_loaded_versions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[Any] = [Version(number, number == 4, {}) for number in (1, 2, 3, 4)]
    monkeypatch.setattr(parts, "promoted_version", lambda _: there[3])
    monkeypatch.setattr(parts, "versions", lambda _: there)
    monkeypatch.setattr(parts, "versions_still_needed", lambda *_: [2])
    assert encoders(settings) == [4, 2]
    serving(settings, [2, 3, 4, 9])
    assert encoders(settings) == [4, 2, 3]
