"""The stack of docker-compose.yml in real containers: `make compose-test`, as it takes minutes and an engine.

The tests run in their order on one stack of their own (project, volumes and ports), which the last fixture takes down.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect, sync_playwright

from akin.stack_settings import ROOT
from tests.compose.stack import MARKS, PROJECT, Stack, running
from tests.servers import within

CHROMIUM = shutil.which(os.environ.get("CHROMIUM", "chromium"))
CONTAINERS = ("triton", "retrieval", "ui")

pytestmark = MARKS


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    stack = Stack()
    with running(stack):
        yield stack


def test_the_api_answers_with_the_sample_papers(stack: Stack) -> None:
    answer = stack.search()
    assert answer["searched"] == 314
    assert answer["degraded"] is None
    assert "graph" in answer["results"][0]["title"].lower()
    title = answer["results"][3]["title"]
    assert stack.search(title)["results"][0]["title"] == title
    embedded = httpx.post(f"{stack.service}/embed", json={"abstract": "dark matter halos"}, timeout=10).json()
    assert len(embedded["embedding"]) == embedded["embedding_dim"] == 384


def test_the_page_searches_in_a_browser(stack: Stack) -> None:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine: install Debian's package `chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(stack.page)
        expect(page.get_by_text(re.compile("314 papers"))).to_be_visible(timeout=30_000)
        page.get_by_role("textbox").first.fill("graph neural networks")
        page.get_by_role("textbox").first.press("Enter")
        expect(page.locator("#akin-results article").first).to_contain_text(re.compile("graph", re.I), timeout=30_000)
        folder = ROOT / "data" / "compose-test"
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / "page.png")
        browser.close()


def test_only_the_page_and_the_api_are_published_and_on_this_machine_only(stack: Stack) -> None:
    for port in (8000, 8001, 8002):
        assert f":{port}->" not in stack.done("ps")
    for port in (stack.service_port, stack.ui_port):
        with pytest.raises(OSError, match="refused"), socket.create_connection((own_address(), port), timeout=3):
            pass


@pytest.mark.parametrize(
    ("service", "port", "reached"),
    [
        ("ui", 8001, False),
        ("ui", 8000, False),
        ("ui", 8002, False),
        ("retrieval", 8001, True),
        ("retrieval", 8000, False),
    ],
)
def test_triton_is_reached_by_the_service_and_over_grpc_only(
    stack: Stack, service: str, port: int, reached: bool
) -> None:
    connect = f"import socket; socket.create_connection(('triton', {port}), timeout=5)"
    done = stack.compose("exec", "-T", service, "python", "-c", connect)
    assert (done.returncode == 0) == reached, done.stdout


def own_address() -> str:
    """Return an address of this machine that is not the loopback; send nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


@pytest.mark.parametrize("service", CONTAINERS)
def test_nobody_is_root_and_nothing_but_the_volumes_can_be_written(stack: Stack, service: str) -> None:
    assert stack.done("exec", "-T", service, "id", "-u").strip().endswith("10001")
    for tool in ("gcc", "cc", "make", "git"):
        assert stack.compose("exec", "-T", service, "which", tool).returncode != 0
    assert stack.compose("exec", "-T", service, "touch", "/usr/mine").returncode != 0


def test_search_survives_a_killed_triton(stack: Stack) -> None:
    stack.done("kill", "triton")
    within(30, "the service notices", lambda: stack.health() == "degraded")
    answer = stack.search()
    assert answer["degraded"]
    assert answer["results"]
    within(10, "it says for whom it waits", lambda: "Waiting for the encoder" in stack.done("logs", "retrieval"))
    stack.done("start", "triton")
    within(120, "whole answers again", lambda: stack.search()["degraded"] is None)


def test_the_page_survives_a_killed_service(stack: Stack) -> None:
    stack.done("kill", "retrieval")
    assert stack.health() == "away"
    assert stack.page_answers()
    stack.done("restart", "ui")
    within(30, "the page says for whom it waits", lambda: "nothing answers there" in stack.done("logs", "ui"))
    stack.done("start", "retrieval")
    within(60, "answers again", lambda: stack.health() == "ok")
    within(30, "the page notices", lambda: "is ready" in stack.done("logs", "ui"))


def test_a_killed_page_is_started_again(stack: Stack) -> None:
    stack.done("kill", "ui")
    within(10, "the page is gone", lambda: not stack.page_answers())
    stack.done("start", "ui")
    within(60, "the page is back", stack.page_answers)


@pytest.mark.parametrize("service", CONTAINERS)
def test_a_service_that_ends_by_itself_comes_back(stack: Stack, service: str) -> None:
    before = stack.first_process(service)
    stack.compose("exec", "-T", service, "python", "-c", "import os; os.kill(1, 15)")
    within(60, f"{service} is started again", lambda: stack.first_process(service) not in ("", before))
    within(120, f"{service} is back", lambda: stack.health() == "ok" and stack.page_answers())
    assert stack.search()["degraded"] is None


def test_a_restart_comes_up_on_what_the_volumes_hold(stack: Stack) -> None:
    snapshot = stack.search()["snapshot"]
    stack.done("down")
    started = time.monotonic()
    stack.done("up", "-d")
    within(120, "answers again", lambda: stack.health() == "ok")
    print(f"from `up` to the first full answer on full volumes: {time.monotonic() - started:.0f} s")
    assert stack.search()["snapshot"] == snapshot
    assert "version 1 of text_encoder serves already" in stack.done("logs", "export")
    assert f"are indexed: snapshot {snapshot}" in stack.done("logs", "index")


@pytest.mark.parametrize(
    ("service", "environment", "code", "line"),
    [
        ("triton", {"AKIN_WAIT_SECONDS": "0", "AKIN_MODEL_REPOSITORY": "/tmp/none"}, 4, "no encoder in /tmp/none"),
        ("triton", {"AKIN_ENCODER_RUNTIME": "gpu"}, 2, "AKIN_ENCODER_RUNTIME is 'gpu'"),
        ("triton", {"AKIN_TRITON_HTTP_HOST": "0.0.0.0"}, 2, "Triton's HTTP would listen on 0.0.0.0"),
        ("retrieval", {"AKIN_FUSION": "best"}, 2, "AKIN_FUSION is 'best': it must be 'bounds', 'minmax' or 'rrf'"),
        ("ui", {"AKIN_SERVICE_URL": "nowhere"}, 2, "AKIN_SERVICE_URL is 'nowhere'"),
        ("index", {"AKIN_TRITON_URL": "triton"}, 2, "AKIN_TRITON_URL is 'triton'"),
        ("index", {"AKIN_DATA": "/models"}, 6, "cannot write /models/corpora: Read-only file system"),
    ],
)
def test_bad_input_ends_a_service_with_a_line_and_a_code(
    stack: Stack, service: str, environment: dict[str, str], code: int, line: str
) -> None:
    found, output = stack.run(service, **environment)
    assert (found, line in output, "Traceback" in output) == (code, True, False), output


@pytest.mark.parametrize(
    ("service", "port", "module", "code"),
    [
        ("triton", 8001, "akin.stack.foreground", 5),
        ("retrieval", 8080, "retrieval_service", 1),
        ("ui", 7860, "gradio_ui", 1),
    ],
)
def test_a_taken_port_is_told(stack: Stack, service: str, port: int, module: str, code: int) -> None:
    script = f"python -m http.server {port} >/dev/null & sleep 1; exec python -m {module}"
    found, output = stack.run(service, "sh", "-c", script)
    assert found == code, output
    assert f"cannot listen on 0.0.0.0:{port}" in output
    assert "Traceback" not in output


def test_a_model_volume_without_the_right_to_write_is_told(stack: Stack) -> None:
    command = ("python", "-m", "training.registry.first", "--repository", "/srv/models", "--corpora", "/data/corpora")
    code, output = stack.run("export", *command)
    assert code == 1, output
    assert "cannot write into /srv/models/text_encoder: " in output


def test_an_index_of_another_encoder_is_told_and_searched_by_nobody(stack: Stack) -> None:
    other = 'cp -r /models /tmp/models && sed -i \'s/"digest": "..../"digest": "ffff/\' /tmp/models/*/1/manifest.json'
    command = f"{other} && AKIN_MODEL_REPOSITORY=/tmp/models exec akin index build sample --if-none"
    code, output = stack.run("index", "sh", "-c", command)
    assert code == 4, output
    assert "was made by encoder" in output
    snapshots = "mkdir /tmp/data && cp -r /data/snapshots /tmp/data && cd /tmp/data/snapshots/2*"
    changed = f'{snapshots} && sed -i \'s/"digest": *"..../"digest":"ffff/\' manifest.json'
    code, output = stack.run(
        "retrieval", "sh", "-c", f"{changed}; AKIN_DATA=/tmp/data timeout 15 python -m retrieval_service"
    )
    assert "is refused" in output, output
    assert "akin encoder promote" in output


def test_a_taken_port_of_the_host_is_told_by_the_engine(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = stack.compose("-p", f"{PROJECT}-2", "up", "-d", "--no-build", "ui", AKIN_UI_PORT=str(port))
        stack.compose("-p", f"{PROJECT}-2", "down", "-v")
    assert str(port) in found.stdout
    assert "in use" in found.stdout
