"""Change from one encoder to another and back while searches run, on a stack of its own."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from akin.stack_settings import Settings
from tests.conftest import STARTS_SOON, RunningStack, environment_for

pytestmark = pytest.mark.integration


def second_version(repository: Path, copied_to: Path) -> None:
    """Copy the exported encoder twice, under two names and digests."""
    shutil.copytree(repository, copied_to, symlinks=True)
    model = copied_to / "text_encoder"
    shutil.copytree(model / "1", model / "2")
    manifest = json.loads((model / "2/manifest.json").read_text())
    (model / "2/manifest.json").write_text(json.dumps({**manifest, "version": 2, "digest": "2" * 64}))


@pytest.fixture
def own_stack(encoder_repository: Path, tmp_path: Path) -> Iterator[RunningStack]:
    second_version(encoder_repository, tmp_path / "repository")
    environment = environment_for(tmp_path / "data", tmp_path / "repository") | STARTS_SOON
    running = RunningStack(Settings.read(environment), environment)
    papers = [{"id": f"p{n}", "title": f"Subject {n}", "abstract": f"All about subject {n}."} for n in range(20)]
    (tmp_path / "papers.jsonl").write_text("\n".join(map(json.dumps, papers)))
    try:
        # In this order, the stack's Triton embeds the papers too.
        done(running, "up")
        done(running, "index", "build", str(tmp_path / "papers.jsonl"), "--map", "id=id,title=title,abstract=abstract")
        yield running
        # The key in this file permits to load models: only the stack's user may read it, and only while the stack runs.
        key = running.settings.run / "triton.key"
        assert key.stat().st_mode & 0o777 == 0o600
        done(running, "down")
        assert not key.exists()
    finally:
        running.akin("down")


def done(stack: RunningStack, *arguments: str) -> str:
    finished = stack.akin(*arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


class Searcher(threading.Thread):
    """Client that searches all the time and collects failures."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.stopped = threading.Event()
        self.answers, self.failures = 0, list[str]()

    def run(self) -> None:
        with httpx.Client(base_url=self.address, timeout=30) as client:
            while not self.stopped.wait(0.02):
                answer = client.post("/search", json={"query": f"subject {self.answers}", "mode": "dense"})
                self.answers += 1
                if answer.status_code != 200 or len(answer.json()["results"]) != 10:
                    self.failures.append(answer.text)


def test_an_encoder_is_changed_and_changed_back_without_a_failed_search(own_stack: RunningStack) -> None:
    def encoders() -> list[int]:
        found: list[int] = json.loads(done(own_stack, "status", "--json"))["encoders"]
        return found

    before = json.loads(done(own_stack, "index", "info", "--json"))
    searcher = Searcher(own_stack.settings.service_url)
    searcher.start()
    try:
        done(own_stack, "encoder", "promote", "2", "--override", "to see it change")
        assert encoders() == [1, 2]
        source = str(own_stack.settings.data.parent / "papers.jsonl")
        done(own_stack, "index", "build", source, "--map", "id=id,title=title,abstract=abstract")
        assert encoders() == [2]
        done(own_stack, "encoder", "rollback")
        assert encoders() == [2, 1]
        done(own_stack, "index", "use", before["id"])
        assert encoders() == [1]
    finally:
        searcher.stopped.set()
        searcher.join()
    assert searcher.failures == []
    assert searcher.answers > 50
