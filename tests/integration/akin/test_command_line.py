"""Run `akin` as users do, against a real stack with the sample papers."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.servers import within

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.integration

AKIN = Path(sys.executable).parent / "akin"


def test_a_search_prints_papers_and_its_timings(sample_stack: RunningStack) -> None:
    done = sample_stack.akin("search", "named entity recognition", "-k", "3")
    assert done.returncode == 0, done.stderr
    assert "papers searched in" in done.stderr
    assert done.stdout.count("arxiv.org/abs/") == 3


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_a_title_finds_its_paper_in_every_mode(sample_stack: RunningStack, mode: str) -> None:
    first = json.loads(sample_stack.akin("search", "knowledge graph embedding", "-k", "1", "--json").stdout)["results"][
        0
    ]
    done = sample_stack.akin("search", first["title"], "--mode", mode, "-k", "3", "--json")
    assert first["id"] in [paper["id"] for paper in json.loads(done.stdout)["results"]]


def test_papers_similar_to_one_do_not_include_it(sample_stack: RunningStack) -> None:
    found = json.loads(sample_stack.akin("search", "language models", "-k", "5", "--json").stdout)["results"]
    assert len(found) == 5
    for paper in found:
        done = sample_stack.akin("search", "--like", paper["id"], "-k", "100", "--json")
        assert done.returncode == 0, done.stderr
        similar = [other["id"] for other in json.loads(done.stdout)["results"]]
        assert similar
        assert paper["id"] not in similar


def test_page_service_and_command_line_write_the_same_citation(sample_stack: RunningStack) -> None:
    found = json.loads(sample_stack.akin("search", "BERT", "-k", "2", "--json").stdout)["results"]
    one, other = [paper["id"] for paper in found]
    settings = sample_stack.settings
    by_service = httpx.get(f"{settings.service_url}/papers/{one}/citation").text
    assert by_service.startswith("@")
    assert httpx.get(f"{settings.ui_url}/citation/bibtex/{one}").text == by_service
    assert sample_stack.akin("cite", one).stdout == by_service
    both = sample_stack.akin("cite", f"arXiv:{one}", other, "--format", "csl-json")
    assert len(json.loads(both.stdout)) == 2
    refused = sample_stack.akin("cite", "9912.99999")
    assert refused.returncode != 0
    assert "9912.99999" in refused.stderr


def test_a_search_is_paged_cited_and_followed(sample_stack: RunningStack, tmp_path: Path) -> None:
    asked = ("search", "language models", "-k", "3", "--page", "2")
    found = json.loads(sample_stack.akin(*asked, "--json").stdout)
    ids = [paper["id"] for paper in found["results"]]
    assert found["offset"] == 3
    assert sample_stack.akin(*asked, "--ris").stdout == sample_stack.akin("cite", *ids, "--format", "ris").stdout
    saved = tmp_path / "saved.toml"
    saved.write_text('[[search]]\nquery = "language models"\nk = 6\n[[search]]\nquery = "language model"\n')
    done = sample_stack.akin("digest", str(saved), "--since", "1990", "--json")
    assert done.returncode == 0, done.stderr
    sections = json.loads(done.stdout)["sections"]
    assert [paper["id"] for paper in sections[0]["papers"]][3:] == ids
    new = [paper["id"] for section in sections for paper in section["papers"]]
    assert len(new) == len(set(new)) > 6
    saved.write_text('[[search]]\nquerry = "language models"\n')
    refused = sample_stack.akin("digest", str(saved), "--since", "1990")
    assert (refused.returncode, refused.stdout) == (7, "")
    assert "search 1 (Search 1): There is no parameter 'querry'. Did you mean query?" in refused.stderr


def test_the_registry_and_the_index_describe_themselves(sample_stack: RunningStack) -> None:
    versions = json.loads(sample_stack.akin("encoder", "list", "--json").stdout)
    assert [version["promoted"] for version in versions] == [True]
    snapshots = json.loads(sample_stack.akin("index", "list", "--json").stdout)
    assert snapshots[0]["live"]
    assert snapshots[0]["papers"] == 314
    assert snapshots[0]["encoder"]["digest"] == versions[0]["manifest"]["digest"]
    status = json.loads(sample_stack.akin("status", "--json").stdout)
    assert status["running"]
    assert len(status["processes"]) == 3
    assert sample_stack.akin("index", "verify").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("index", "build", "no-such-file.jsonl"), 6, "no-such-file.jsonl"),
        (("index", "use", "no-such-snapshot"), 6, "no-such-snapshot"),
        (("encoder", "info", "99"), 4, "version 99"),
        (("search", "--like", "9999.99999"), 7, "9999.99999"),
        (("search", "x", "-k", "0"), 7, "k must be greater than or equal to 1"),
        (("search", "x", "--mode", "magic"), 7, "mode must be 'hybrid', 'dense' or 'lexical'"),
    ],
)
def test_an_impossible_command_prints_one_line(
    sample_stack: RunningStack, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = sample_stack.akin(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_unusable_records_are_set_aside(sample_stack: RunningStack, tmp_path: Path) -> None:
    good = {"key": "a1", "name": "On graphs", "summary": "We study graphs and their colourings."}
    lines = [json.dumps(good), "{broken", json.dumps({"key": "a2"}), json.dumps(good)]
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("\n".join(lines))
    # The running stack's Triton serves this data folder too.
    shutil.copytree(sample_stack.settings.run, tmp_path / "data" / "run")
    own = {**sample_stack.environment, "AKIN_DATA": str(tmp_path / "data")}
    stack = type(sample_stack)(sample_stack.settings, own)
    done = stack.akin("index", "build", str(corpus), "--map", "id=key,title=name,abstract=summary", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["papers"] == 1
    rejects = [json.loads(line) for line in (tmp_path / "data/rejects/corpus.jsonl.jsonl").read_text().splitlines()]
    assert [reject["line"] for reject in rejects] == [2, 3, 4]
    assert (
        stack.akin("index", "build", str(corpus), "--map", "id=key,title=name,abstract=summary", "--strict").returncode
        == 6
    )


def test_a_taken_port_is_named_before_anything_starts(sample_stack: RunningStack, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = str(listener.getsockname()[1])
        own = {**sample_stack.environment, "AKIN_DATA": str(tmp_path), "AKIN_TRITON_HTTP_PORT": taken}
        done = type(sample_stack)(sample_stack.settings, own).akin("up")
    assert done.returncode == 5
    assert f"port {taken} (AKIN_TRITON_HTTP_PORT) is taken" in done.stderr


def test_a_demo_leaves_a_stack_running_that_it_did_not_start(sample_stack: RunningStack, tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with log.open("w") as output:
        # As a script's background job, which starts with Ctrl-C ignored.
        command = ["sh", "-c", "trap '' INT; exec \"$0\" demo", str(AKIN)]
        demo = subprocess.Popen(command, env=sample_stack.environment, stdout=output, stderr=output)
        within(60, "the demonstration is ready", lambda: "Search on" in log.read_text())
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=30) == 0, log.read_text()
    assert "already running" in log.read_text()
    assert json.loads(sample_stack.akin("status", "--json").stdout)["running"]


def test_a_second_up_reports_that_the_stack_runs(sample_stack: RunningStack) -> None:
    done = sample_stack.akin("up")
    assert done.returncode == 0
    assert "already running" in done.stderr
