"""Define how each of the three parts of the stack is started, and how it is probed while it runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx

from akin.registry.versions import MODEL, promoted_version, versions
from akin.stack import record
from akin.stack.launching import module_command, service_environment, versions_still_needed
from akin.stack.local_http import client
from akin.stack.processes import Child, start, stop, wait_until
from akin.stack.shared_memory import remove_regions
from akin.stack.supervisor.health import Health, ProbeResult
from akin.stack.triton import start_triton
from akin.stack_settings import Settings

SERVICE_SECONDS = 60.0
PAGE_SECONDS = 60.0
PROBE_SECONDS = 3.0
# The probe's text may wait behind queries; while Triton answers those, no text is sent.
INFERENCE_SECONDS = 5.0

Started = Callable[[Child], None]


@dataclass(frozen=True)
class StackPart:
    """Part of the stack.

    Attributes:
        name: Its name in messages.
        start: Starts it, passes its process to the given function at once, and returns when it is ready. Raises an
            `AkinError` if it does not get ready; its process has then ended.
        probe: Checks the running part once.
        clear: Removes what its ended processes have left.
    """

    name: str
    start: Callable[[Started], None]
    probe: Callable[[], ProbeResult]
    clear: Callable[[], object] = lambda: None


def parts(settings: Settings) -> list[StackPart]:
    """Return the parts of a stack in the order of their start."""
    triton = TritonProbe(settings)
    return [
        StackPart("Triton", lambda started: start_encoders(settings, started), triton, lambda: clear_triton(settings)),
        StackPart("the service", lambda started: start_service(settings, started), HttpProbe(service_health(settings))),
        StackPart("the page", lambda started: start_page(settings, started), HttpProbe(settings.ui_url)),
    ]


def service_health(settings: Settings) -> str:
    """Return the address at which the service reports that it runs."""
    return f"{settings.service_url}/health/live"


def start_encoders(settings: Settings, started: Started) -> None:
    """Start Triton with the promoted encoder, the one that made the live snapshot, and those that were loaded later.

    Raises:
        AkinError: Triton did not start, or did not load the encoders.
    """
    # With the lock, a command that loads or unloads a version waits, and then reads the versions recorded here.
    with record.encoders_lock(settings, "another command changes the encoders of this stack."):
        version = promoted_version(settings.repository)
        numbers = encoders(settings)
        record.update(settings, lambda stack: replace(stack, encoders=numbers))
        ports = (settings.triton_http_port, settings.triton_grpc_port, settings.triton_metrics_port)
        log = settings.logs / "triton.log"
        start_triton(settings, ports, version, log, beside=numbers[1:], started=started)


def encoders(settings: Settings) -> list[int]:
    """Return the versions that a Triton must serve if it is started now, the promoted one first.

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
    """Start the service and wait until it answers.

    Raises:
        StackError: It ended, or did not answer in time.
    """
    environment = service_environment(settings)
    child = start("the service", module_command("retrieval_service"), environment, settings.logs / "service.log")
    await_answer(child, service_health(settings), SERVICE_SECONDS, started)


def start_page(settings: Settings, started: Started) -> None:
    """Start the page and wait until it answers.

    Raises:
        StackError: It ended, or did not answer in time.
    """
    environment = {
        **os.environ,
        "AKIN_SERVICE_URL": settings.service_url,
        "AKIN_UI_HOST": settings.ui_host,
        "AKIN_UI_PORT": str(settings.ui_port),
        "AKIN_UI_ROOT_PATH": settings.ui_root_path,
    }
    child = start("the page", module_command("gradio_ui"), environment, settings.logs / "page.log")
    await_answer(child, settings.ui_url, PAGE_SECONDS, started)


def await_answer(child: Child, url: str, seconds: float, started: Started) -> None:
    """Wait until a process that was just started gives any answer; stop it if it does not.

    A refusal counts too: the server may be set to answer only under other host names.

    Raises:
        StackError: It ended, or did not answer in time.
    """
    probe = HttpProbe(url)
    try:
        started(child)
        wait_until(lambda: probe().health is Health.ANSWERS, child, seconds)
    except BaseException:
        stop([child])
        raise


class HttpProbe:
    """Probe of a part by a GET; any answer shows that it runs."""

    def __init__(self, url: str) -> None:
        """Take the address."""
        self._url = url
        self._client = client(timeout=PROBE_SECONDS)

    def __call__(self) -> ProbeResult:
        """Send the request once."""
        return send_probe(lambda: self._client.get(self._url))


class TritonProbe:
    """Probe of Triton: the server answers, and every encoder that it serves returns vectors.

    Triton also reports a model as ready when its Python process has ended, so that only a text shows that an encoder
    works. No text is sent while those of other clients are answered.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the settings with Triton's address."""
        self._settings = settings
        self._client = client(timeout=PROBE_SECONDS)
        self._answered: dict[str, float] = {}

    def __call__(self) -> ProbeResult:
        """Probe once."""
        host = f"http://127.0.0.1:{self._settings.triton_http_port}"
        result = send_probe(lambda: self._client.get(f"{host}/v2/health/live"))
        if result.health is not Health.ANSWERS:
            return result
        stack = record.read(self._settings)
        answered = self._count()
        for number in stack.encoders if stack else []:
            before, now = self._answered.get(str(number)), answered.get(str(number))
            if before is not None and now is not None and now > before:
                continue
            url = f"{host}/v2/models/{MODEL}/versions/{number}/infer"
            result = send_probe(lambda url=url: self._client.post(url, json=TEXT, timeout=INFERENCE_SECONDS))  # type: ignore[misc]
            if result.health is not Health.ANSWERS:
                result = replace(result, fault=f"its encoder version {number} {result.fault}")
                break
        # Count again: the text of this probe must not count as another client's at the next one.
        self._answered = self._count() if result.health is Health.ANSWERS else answered
        return result

    def _count(self) -> dict[str, float]:
        """Return the number of requests that each version has answered; empty if the server does not report it."""
        try:
            text = self._client.get(f"http://127.0.0.1:{self._settings.triton_metrics_port}/metrics").text
        except httpx.HTTPError:
            return {}
        return {version: float(count) for version, count in ANSWERED.findall(text)}


# One short text, and the smallest output.
TEXT = {
    "inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": [["akin"]]}],
    "outputs": [{"name": "TOKENS"}],
}
ANSWERED = re.compile(
    rf'^nv_inference_request_success\{{(?=[^}}]*\bmodel="{MODEL}")[^}}]*\bversion="(\d+)"[^}}]*\}} (\S+)$', re.MULTILINE
)


def send_probe(ask: Callable[[], httpx.Response]) -> ProbeResult:
    """Send a request and return the result: an answer, a fault of the server, or silence.

    Status 503 counts as an answer: the server runs and is overloaded.
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
