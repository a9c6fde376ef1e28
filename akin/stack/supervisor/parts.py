"""The three parts of the stack: how each is started, and how it is looked at while it runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx

from akin.registry.versions import MODEL, promoted_version, versions
from akin.settings import Settings
from akin.stack import record
from akin.stack.lifecycle import module_command, service_environment, versions_still_needed
from akin.stack.local_http import client
from akin.stack.processes import Child, start, stop, wait_until
from akin.stack.shared_memory import remove_regions
from akin.stack.supervisor.health import Health, ProbeResult
from akin.stack.triton import start_triton

SERVICE_SECONDS = 60.0
PAGE_SECONDS = 60.0
PROBE_SECONDS = 3.0
# A query may wait behind others; a Triton that answers those is not asked at all.
INFERENCE_SECONDS = 5.0

Started = Callable[[Child], None]


@dataclass(frozen=True)
class Part:
    """A part of the stack.

    Attributes:
        name: What it is, for people.
        start: Starts it, hands its process to the caller as soon as there is one, and returns when it is ready. Raises
            an `AkinError` when it does not get ready; its process has then ended.
        probe: Probes the running part.
        clear: Removes what its processes have left behind, once they have ended.
    """

    name: str
    start: Callable[[Started], None]
    probe: Callable[[], ProbeResult]
    clear: Callable[[], object] = lambda: None


def parts(settings: Settings) -> list[Part]:
    """Return the parts of a stack in the order of their start."""
    triton = TritonProbe(settings)
    return [
        Part("Triton", lambda started: start_encoders(settings, started), triton, lambda: clear_triton(settings)),
        Part("the service", lambda started: start_service(settings, started), HttpProbe(service_health(settings))),
        Part("the page", lambda started: start_page(settings, started), HttpProbe(settings.ui_url)),
    ]


def service_health(settings: Settings) -> str:
    """Return the address at which the service says that it runs."""
    return f"{settings.service_url}/health/live"


def start_encoders(settings: Settings, started: Started) -> None:
    """Start Triton with the promoted encoder, the one that made the live snapshot, and those that were loaded since.

    Raises:
        AkinError: It did not start, or does not load the encoders.
    """
    # Whoever loads or unloads a version in a running Triton waits, and then finds this one's versions written down.
    with record.encoders_lock(settings, "another command changes the encoders of this stack."):
        version = promoted_version(settings.repository)
        numbers = encoders(settings)
        record.update(settings, lambda stack: replace(stack, encoders=numbers))
        ports = (settings.triton_http_port, settings.triton_grpc_port, settings.triton_metrics_port)
        log = settings.logs / "triton.log"
        start_triton(settings, ports, version, log, beside=numbers[1:], started=started)


def encoders(settings: Settings) -> list[int]:
    """Return the versions that a Triton started now has to serve, the promoted one first.

    Raises:
        EncoderError: No encoder was exported.
    """
    version = promoted_version(settings.repository)
    stack = record.read(settings)
    there = {each.number for each in versions(settings.repository)}
    loaded = [number for number in (stack.encoders if stack else []) if number in there]
    return list(dict.fromkeys([version.number, *versions_still_needed(settings, version), *loaded]))


def clear_triton(settings: Settings) -> None:
    """Remove the shared memory of an ended Triton."""
    remove_regions(settings.run, settings.triton_grpc_port)


def start_service(settings: Settings, started: Started) -> None:
    """Start the service, and wait until it answers.

    Raises:
        StackError: It ended, or did not answer in time.
    """
    environment = service_environment(settings)
    child = start("the service", module_command("retrieval_service"), environment, settings.logs / "service.log")
    await_answer(child, service_health(settings), SERVICE_SECONDS, started)


def start_page(settings: Settings, started: Started) -> None:
    """Start the page, and wait until it answers.

    Raises:
        StackError: It ended, or did not answer in time.
    """
    environment = {
        **os.environ,
        "AKIN_SERVICE_URL": settings.service_url,
        "AKIN_UI_HOST": settings.ui_host,
        "AKIN_UI_PORT": str(settings.ui_port),
    }
    child = start("the page", module_command("gradio_ui"), environment, settings.logs / "page.log")
    await_answer(child, settings.ui_url, PAGE_SECONDS, started)


def await_answer(child: Child, url: str, seconds: float, started: Started) -> None:
    """Wait until a process that was just started answers anything at all; end it if it does not.

    It may refuse the address by which it is asked, where it is told to answer to others only.

    Raises:
        StackError: It ended, or did not answer in time.
    """
    look = HttpProbe(url)
    try:
        started(child)
        wait_until(lambda: look().health is Health.ANSWERS, child, seconds)
    except BaseException:
        stop([child])
        raise


class HttpProbe:
    """Looks at a part by a GET: any answer at all shows that it lives."""

    def __init__(self, url: str) -> None:
        """Take the address to ask."""
        self._url = url
        self._client = client(timeout=PROBE_SECONDS)

    def __call__(self) -> ProbeResult:
        """Ask once."""
        return send_probe(lambda: self._client.get(self._url))


class TritonProbe:
    """Looks at Triton: the server answers, and every encoder that it serves gives vectors.

    Triton calls a model ready whose Python process has died, so that only a text shows that an encoder works. None is
    sent while those of others are answered.
    """

    def __init__(self, settings: Settings) -> None:
        """Take where Triton is."""
        self._settings = settings
        self._client = client(timeout=PROBE_SECONDS)
        self._answered: dict[str, float] = {}

    def __call__(self) -> ProbeResult:
        """Probe once."""
        host = f"http://127.0.0.1:{self._settings.triton_http_port}"
        look = send_probe(lambda: self._client.get(f"{host}/v2/health/live"))
        if look.health is not Health.ANSWERS:
            return look
        stack = record.read(self._settings)
        answered = self._count()
        for number in stack.encoders if stack else []:
            before, now = self._answered.get(str(number)), answered.get(str(number))
            if before is not None and now is not None and now > before:
                continue
            url = f"{host}/v2/models/{MODEL}/versions/{number}/infer"
            look = send_probe(lambda url=url: self._client.post(url, json=TEXT, timeout=INFERENCE_SECONDS))  # type: ignore[misc]
            if look.health is not Health.ANSWERS:
                look = replace(look, words=f"its encoder version {number} {look.words}")
                break
        # Counted again: the text of this look is no proof of life at the next one.
        self._answered = self._count() if look.health is Health.ANSWERS else answered
        return look

    def _count(self) -> dict[str, float]:
        """Return how many requests each version has answered, as far as the server says."""
        try:
            text = self._client.get(f"http://127.0.0.1:{self._settings.triton_metrics_port}/metrics").text
        except httpx.HTTPError:
            return {}
        return {version: float(count) for version, count in ANSWERED.findall(text)}


# One short text, and of its answer the least.
TEXT = {
    "inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": [["akin"]]}],
    "outputs": [{"name": "TOKENS"}],
}
ANSWERED = re.compile(
    rf'^nv_inference_request_success\{{(?=[^}}]*\bmodel="{MODEL}")[^}}]*\bversion="(\d+)"[^}}]*\}} (\S+)$', re.MULTILINE
)


def send_probe(ask: Callable[[], httpx.Response]) -> ProbeResult:
    """Return what a request shows: an answer, a fault of the server, or silence.

    A server that has too much to do says so with the status 503, and lives.
    """
    try:
        response = ask()
    except httpx.TimeoutException:
        return ProbeResult(Health.SILENT, "did not answer")
    except httpx.HTTPError as error:
        return ProbeResult(Health.BROKEN, f"does not take requests ({error})")
    if response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
        return ProbeResult(Health.BROKEN, f"answers {response.status_code}: {response.text[:200]}")
    return ProbeResult(Health.ANSWERS)
