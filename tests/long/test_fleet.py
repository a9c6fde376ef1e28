"""Three whole machines behind nginx and HAProxy: one is killed, all change snapshot and encoder, no search fails.

The machines share a store of editions and nothing else. The second encoder is the first one behind prompts, so that its
vectors are others: a query of one encoder in the index of the other would find other papers with other scores.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from akin import fleet
from akin.bundles import Place
from akin.stack import local_http
from akin.stack.processes import free_ports
from akin.stack_settings import ROOT, Settings
from tests.conftest import AKIN, RunningStack, environment_for
from tests.integration.proxy import NGINX, certificate, nginx_command
from tests.long.papers import WORDS, write_papers
from tests.servers import await_answer, within

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
QUERIES = [f"{one} {other}" for one, other in zip(WORDS, WORDS[5:] + WORDS[:5], strict=True)]
PROMPTS = {"query": "market virus: ", "passage": "market: "}
MACHINES = 3
Answer = tuple[str, str, str, tuple[tuple[str, float], ...]]


def done(machine: RunningStack, *arguments: str) -> str:
    finished = machine.akin(*arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def machine(folder: Path, repository: Path | None = None, **more: str) -> RunningStack:
    """Return a machine with folders of its own; it has nothing yet."""
    # The plain runtime needs no warm-up of every shape, so that Triton starts soon.
    environment = environment_for(folder / "data", repository or folder / "models") | more
    environment |= {"AKIN_ENCODER_RUNTIME": "onnxruntime", "AKIN_ENCODER_THREADS": "1", "AKIN_SEARCH_THREADS": "1"}
    # A slow machine must not look like a failure.
    environment |= {"AKIN_ALLOWED_HOSTS": "*", "AKIN_EMBED_SECONDS": "60", "AKIN_SEARCH_SECONDS": "120"}
    return RunningStack(Settings.read(environment), environment)


@contextmanager
def following(member: RunningStack, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Follow the channel of a machine until the block ends."""
    with log.open("ab") as file:
        process = subprocess.Popen([AKIN, "fleet", "follow", "--every", "1"], env=member.environment, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


class Client(threading.Thread):
    """Client that searches all the time; each answer must be one that the edition that it names gives alone."""

    def __init__(self, address: str, trust: ssl.SSLContext, mode: str) -> None:
        super().__init__()
        self.address, self.trust, self.mode = address, trust, mode
        self.stopped = threading.Event()
        self.asked = 0
        self.answers = Counter[Answer]()
        self.failures: list[str] = []

    def run(self) -> None:
        with httpx.Client(base_url=self.address, verify=self.trust, timeout=60) as client:
            while not self.stopped.wait(0.05):
                self.asked += 1
                body = {"query": QUERIES[self.asked % len(QUERIES)], "mode": self.mode, "k": 5}
                try:
                    answer = client.post("/v1/search", json=body)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                if answer.status_code == 200 and answer.json()["degraded"] is None:
                    self.answers[summary(body["query"], answer.json())] += 1
                else:
                    self.failures.append(f"{answer.status_code} {answer.text[:300]}")


def summary(query: Any, answer: dict[str, Any]) -> Answer:
    found = tuple((result["id"], round(result["score"], 4)) for result in answer["results"])
    return query, answer["snapshot"], answer["encoder"]["digest"], found


def nginx(folder: Path, ports: list[int], port: int, key: Path, signed: Path) -> list[str]:
    """Return the command of nginx with the example of this project, for machines on this one."""
    text = (ROOT / "deploy/proxy/fleet-nginx.conf").read_text()
    changes = [
        ("listen 443 ssl http2", f"listen 127.0.0.1:{port} ssl http2"),
        ("server_name papers.example.org", "server_name localhost"),
        ("/etc/ssl/papers.example.org.pem", str(signed)),
        ("/etc/ssl/papers.example.org.key", str(key)),
        ("/var/log/nginx/akin.log", str(folder / "nginx.log")),
        *((f"10.0.0.1{number}:8080", f"127.0.0.1:{own}") for number, own in enumerate(ports, 1)),
    ]
    return nginx_command(folder, replaced(text, changes))


def haproxy(folder: Path, ports: list[int], port: int, key: Path, signed: Path) -> list[str]:
    """Return the command of HAProxy with the example of this project, for machines on this one."""
    (folder / "both.pem").write_text(signed.read_text() + key.read_text())
    text = (ROOT / "deploy/proxy/fleet-haproxy.cfg").read_text()
    changes = [
        ("bind :443", f"bind 127.0.0.1:{port}"),
        ("/etc/ssl/papers.example.org.both.pem", str(folder / "both.pem")),
        ("log stdout format raw local0", "log stderr format raw local0 err"),
        *((f"10.0.0.1{number}:8080", f"127.0.0.1:{own}") for number, own in enumerate(ports, 1)),
    ]
    (folder / "haproxy.cfg").write_text(replaced(text, changes))
    assert HAPROXY is not None
    return [HAPROXY, "-db", "-f", str(folder / "haproxy.cfg")]


def replaced(text: str, changes: list[tuple[str, str]]) -> str:
    for old, new in changes:
        assert old in text, old
        text = re.sub(rf"(?<=[\s]){re.escape(old)}" if old.startswith("/") else re.escape(old), new, text)
    return text


def start(member: RunningStack) -> None:
    """Start a machine as soon as it has taken an edition."""
    within(300, "the first edition", (member.settings.data / "fleet.json").exists)
    done(member, "up")


def await_edition(member: RunningStack, snapshot: str) -> None:
    """Wait until a machine serves a snapshot with its encoder."""

    def served() -> bool:
        try:
            ready = local_http.get(f"{member.settings.service_url}/health/ready", timeout=10).json()
        except httpx.HTTPError:
            return False
        return ready["status"] == "ok" and ready["components"]["snapshot"].get("id") == snapshot

    within(300, f"the snapshot {snapshot}", served)


def await_searches(clients: list[Client], more: int) -> None:
    """Wait until each client has sent so many more searches."""
    wanted = {client: client.asked + more for client in clients}
    within(300, f"{more} searches", lambda: all(client.asked > wanted[client] for client in clients))


def record(member: RunningStack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((member.settings.run / "stack.json").read_text())
    return found


def kill(member: RunningStack) -> None:
    """Kill all processes of a machine at once, its supervisor first, so that it restarts nothing."""
    running = record(member)
    for each in (running["supervisor"], *running["children"]):
        os.killpg(os.getpgid(each["pid"]), signal.SIGKILL)


@pytest.fixture(scope="module")
def editions(encoder_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[fleet.Edition]]:
    """Publish two editions, with other papers and other encoders; return the store and both, the first one live."""
    folder = tmp_path_factory.mktemp("builder")
    repository, store = folder / "models", f"file://{folder}/store"
    (folder / "store").mkdir()
    shutil.copytree(encoder_repository, repository, symlinks=True)
    builder = machine(folder, repository)
    done(builder, "index", "build", str(write_papers(folder / "papers.jsonl", 120)))
    fleet.publish(builder.settings, store, print)
    model = repository / "text_encoder"
    shutil.rmtree(model / "2", ignore_errors=True)  # of another export
    shutil.copytree(model / "1", model / "2")
    manifest = json.loads((model / "2/manifest.json").read_text())
    manifest |= {"version": 2, "digest": "cd" * 32, "prompts": PROMPTS}
    (model / "2/manifest.json").write_text(json.dumps(manifest))
    done(builder, "encoder", "promote", "2", "--override", "to see it change")
    done(builder, "index", "build", str(write_papers(folder / "more.jsonl", 150)))
    fleet.publish(builder.settings, store, print, channel="next")
    return store, fleet.read_editions(Place(store))[::-1]


def test_no_search_fails_or_mixes_while_machines_die_and_change(
    editions: tuple[str, list[fleet.Edition]], tmp_path: Path
) -> None:
    store, (first, second) = editions
    balancers = [name for name, program in (("nginx", NGINX), ("haproxy", HAPROXY)) if program]
    if not balancers:
        pytest.skip("there is neither nginx nor haproxy on this machine: apt-get install nginx-light haproxy")
    members = [
        # The last one follows a channel of its own, on which a new edition is tried.
        machine(tmp_path / f"m{n}", AKIN_FLEET_STORE=store, AKIN_FLEET_CHANNEL="try" if n == MACHINES - 1 else "live")
        for n in range(MACHINES)
    ]
    fleet.use(store, first.digest, "try", print)
    key, signed = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=signed)
    ports = [member.settings.service_port for member in members]
    clients: list[Client] = []
    with ThreadPoolExecutor(MACHINES) as pool, ExitStack() as stack:
        stack.callback(lambda: list(pool.map(lambda member: member.akin("down"), members)))
        for number, member in enumerate(members):
            stack.enter_context(following(member, tmp_path / f"follow{number}.log"))
        list(pool.map(start, members))
        for member in members:
            await_edition(member, first.snapshot)
        for name, port in zip(balancers, free_ports(len(balancers)), strict=True):
            command = (nginx if name == "nginx" else haproxy)(tmp_path, ports, port, key, signed)
            process = subprocess.Popen(command)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            address = f"https://localhost:{port}"
            with httpx.Client(verify=trust) as first_client:
                await_answer(f"{address}/health/ready", process, client=first_client)
            clients += [Client(address, trust, mode) for mode in ("dense", "hybrid")]
        stack.callback(lambda: [client.stopped.set() for client in clients])
        alone = {mode: expected(members[0], mode) for mode in ("dense", "hybrid")}
        for client in clients:
            client.start()
        await_searches(clients, 20)
        # One machine changes; the fleet answers from two editions at once.
        fleet.use(store, "next", "try", print)
        await_edition(members[-1], second.snapshot)
        # Another dies without a word.
        kill(members[0])
        await_searches(clients, 60)
        # The others change, and the dead one comes back in the middle of that.
        fleet.use(store, "try", "live", print)
        back = subprocess.Popen([AKIN, "up"], env=members[0].environment, stderr=subprocess.PIPE, text=True)
        for member in members[::-1]:
            await_edition(member, second.snapshot)
        await_searches(clients, 20)
        alone = {mode: alone[mode] | expected(members[-1], mode) for mode in alone}
        for client in clients:
            client.stopped.set()
            client.join(90)
        _, said = back.communicate(timeout=300)
        assert back.returncode == 0, said
        assert [client.failures for client in clients] == [[] for _ in clients]
        for client in clients:
            assert len(client.answers) > 0
            assert set(client.answers) <= alone[client.mode]
            served = {(snapshot, encoder) for _, snapshot, encoder, _ in client.answers}
            assert served == {(each.snapshot, each.encoder) for each in (first, second)}
        # Each machine unloads the encoder that nothing needs.
        within(120, "one encoder", lambda: [record(each)["encoders"] for each in members] == [[2]] * MACHINES)


def expected(member: RunningStack, mode: str) -> set[Answer]:
    """Return what a machine answers to each query now."""
    bodies = [{"query": query, "mode": mode, "k": 5} for query in QUERIES]
    with local_http.client(base_url=member.settings.service_url, timeout=60) as client:
        found = {summary(body["query"], client.post("/v1/search", json=body).json()) for body in bodies}
    assert len({encoder for _, _, encoder, _ in found}) == 1
    return found
