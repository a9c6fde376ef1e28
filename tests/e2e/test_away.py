"""What readers see while the service is down or slow, and that the page recovers without a reload."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from akin.stack.processes import free_ports
from tests.e2e.browsing import violations
from tests.servers import await_answer, started_page

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.e2e


class Service:
    """A port of the service that is closed, or open without an answer, or passes all on to a real service."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.socket()
        # Bound but not listening: connections are refused, and nobody else gets the port.
        self._listener.bind(("127.0.0.1", 0))
        self._open = [self._listener]
        self.port: int = self._listener.getsockname()[1]

    def hang(self) -> None:
        """Take connections, and answer none."""
        self._listener.listen(50)

    def work(self) -> None:
        """Pass connections on, also those that wait."""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_copy, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        for each in self._open:
            # This ends the threads that wait for it.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def service(sample_stack: RunningStack) -> Iterator[Service]:
    service = Service(int(sample_stack.settings.service_url.rpartition(":")[2]))
    yield service
    service.close()


@pytest.fixture
def address(service: Service) -> Iterator[str]:
    """Start a page that asks this service and waits two seconds for an answer; yield its address."""
    (port,) = free_ports(1)
    with started_page(port, f"http://127.0.0.1:{service.port}", AKIN_UI_ANSWER_SECONDS="2") as process:
        await_answer(f"http://127.0.0.1:{port}/list", process)
        yield f"http://127.0.0.1:{port}"


def test_a_service_that_is_down_or_slow_is_explained_until_it_answers(
    unchecked_page: Page, address: str, service: Service, axe: str
) -> None:
    page = unchecked_page
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    for path in ("map", "paper/2003.02320", "feed?q=graphs", "export/bibtex?q=graphs"):
        answer = page.goto(f"{address}/{path}")
        assert answer is not None
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        expect(page.locator(".akin-problem h1")).to_have_text("The search service is unavailable")
        assert violations(page, axe) == []
    page.goto(f"{address}/list#ids=2003.02320")
    expect(page.locator("#akin-said")).to_contain_text("The search service does not answer.")
    expect(page.locator("#akin-list-papers article")).to_have_count(1)
    page.goto(f"{address}/?q=graphs")
    problem = page.locator("#akin-results .akin-problem")
    expect(problem).to_contain_text("The search service does not answer.")
    expect(page.locator("#akin-query textarea")).to_have_value("graphs")
    assert violations(page, axe) == []

    service.hang()
    page.locator("#akin-search").click()
    expect(page.locator("#akin-results")).to_have_attribute("aria-busy", "true")
    expect(problem).to_contain_text("The search service did not answer in time.")
    expect(page.locator("#akin-results")).to_have_attribute("aria-busy", "false")

    service.work()
    page.locator("#akin-search").click()
    expect(page.locator("article.akin-paper").first).to_be_visible()
    expect(problem).to_have_count(0)
    assert failures == []
