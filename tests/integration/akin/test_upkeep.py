"""Fetch, build, update, harvest, tune, verify and prune an index on the command line."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

if TYPE_CHECKING:
    from tests.conftest import RunningStack

pytestmark = pytest.mark.integration

WORDS = "graph neural protein star galaxy lattice fluid prime kernel entropy photon market crystal plasma".split()


def line(number: int, **other: Any) -> str:
    topic = " ".join(WORDS[(number * step) % len(WORDS)] for step in (1, 3, 5, 7))
    record = {
        "id": f"2601.{number:05d}",
        "title": f"On {topic}",
        "abstract": f"We study {topic}, number {number}.",
        "categories": "cs.LG",
        "versions": [{"version": "v1", "created": "Mon, 5 Jan 2026 19:18:42 GMT"}],
    }
    return json.dumps(record | other) + "\n"


class Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder, and a repository with one new and one deleted paper."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != "/oai":
            super().do_GET()
            return
        since = parse_qs(parts.query)["from"][0]
        body = (
            '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-03-01T00:00:00Z</responseDate>'
            "<ListRecords><record><header><identifier>oai:arXiv.org:2602.00001</identifier>"
            f"<datestamp>{since}</datestamp></header><metadata><arXivRaw><id>2602.00001</id>"
            "<title>Zeolites</title><abstract>Of porous minerals.</abstract><categories>cs.LG</categories></arXivRaw>"
            '</metadata></record><record><header status="deleted"><identifier>oai:arXiv.org:2601.00002</identifier>'
            f"<datestamp>{since}</datestamp></header></record></ListRecords></OAI-PMH>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "served")))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_life_of_an_index(sample_stack: RunningStack, tmp_path: Path, url: str) -> None:
    data = tmp_path / "data"
    # The running stack's Triton serves this data folder too.
    shutil.copytree(sample_stack.settings.run, data / "run")
    stack = type(sample_stack)(sample_stack.settings, {**sample_stack.environment, "AKIN_DATA": str(data)})

    def akin(*arguments: str) -> Any:
        done = stack.akin(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    (tmp_path / "served" / "papers.jsonl").write_text("".join(map(line, range(1, 61))))
    fetched = akin("papers", "fetch", f"{url}/papers.jsonl")
    assert Path(fetched["path"]) == data / "corpora" / "papers.jsonl"
    first = akin("index", "build", fetched["path"])
    assert first["papers"] == 60

    newer = tmp_path / "newer.jsonl"
    newer.write_text(line(1) + line(7, title="Renamed") + line(61))
    (tmp_path / "gone.txt").write_text("2601.00003\n")
    second = akin("index", "update", str(newer), "--withdraw", str(tmp_path / "gone.txt"))
    assert (second["papers"], second["embedded"], second["harvested"]) == (60, 2, None)
    change = {name: second["change"][name] for name in ("added", "replaced", "withdrawn", "unchanged")}
    assert change == {"added": 1, "replaced": 1, "withdrawn": 1, "unchanged": 1}

    third = akin("index", "update", "oai", "--url", f"{url}/oai", "--pause", "0")
    assert (third["papers"], third["embedded"], third["harvested"]) == (61, 1, "2026-03-01")
    assert third["source"] == "papers.jsonl"
    again = stack.akin("papers", "fetch", "oai", "--url", f"{url}/oai", "--pause", "0")
    assert "from 2026-03-01" in again.stderr

    undrawn = stack.akin("index", "tune", "--no-use", "--recipe", "SQfp16", "--plot", "/dev/null/curve.svg")
    assert undrawn.returncode == 6
    assert "is published" in undrawn.stderr
    assert "cannot write /dev/null: " in undrawn.stderr
    assert "Traceback" not in undrawn.stderr
    tuned = akin("index", "tune", "--recall", "0.8", "--recipe", "SQfp16", "--recipe", "HNSW8,SQ8")
    assert {point["recipe"] for point in tuned["index"]["curve"]} == {"SQfp16", "HNSW8,SQ8"}
    assert Path(tuned["plot"]).read_text().startswith("<svg")
    assert akin("index", "verify")["recall_at_10"] >= 0.8
    assert "made from" in stack.akin("index", "info", second["id"]).stdout

    assert akin("index", "prune", "--keep", "1")["removed"][1:] == [third["id"], second["id"], first["id"]]
    assert [snapshot["id"] for snapshot in akin("index", "list")] == [tuned["id"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("index", "update", "no-such-file.jsonl"), "no-such-file.jsonl"),
        (("index", "tune", "--recipe", "Banana"), "Banana"),
        (("papers", "fetch", "oai", "--from", "yesterday"), "2026-01-31"),
        (("papers", "fetch", "nonsense"), "gs://bucket/key"),
    ],
)
def test_expected_errors_are_printed_in_one_line(
    sample_stack: RunningStack, arguments: tuple[str, ...], words: str
) -> None:
    done = sample_stack.akin(*arguments)
    assert done.returncode == 6, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
