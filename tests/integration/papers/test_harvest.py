"""Harvest from an unreliable repository."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from time import monotonic, time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from akin.papers import RemoteError, read_papers
from akin.papers.remote import Harvest, finished_harvests, harvest
from akin.papers.remote.http import RetryPolicy
from akin.storage.durable import replace_file
from tests.integration.papers.conftest import POLICY, Server, send

OAI = '<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>{date}</responseDate>'


def record(number: int, *, deleted: bool = False) -> str:
    header = f"<identifier>oai:arXiv.org:2601.{number:05d}</identifier><datestamp>2026-01-05</datestamp>"
    if deleted:
        return f'<record><header status="deleted">{header}</header></record>'
    return (
        f"<record><header>{header}</header><metadata>"
        '<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/">'
        f"<id>2601.{number:05d}</id><submitter>Somebody</submitter>"
        '<version version="v1"><date>Mon, 5 Jan 2026 19:18:42 GMT</date><size>9kb</size></version>'
        '<version version="v2"><date>Tue, 6 Jan 2026 01:00:00 GMT</date></version>'
        f"<title>Paper {number} &amp; more</title><authors>Ada Lovelace, Paul Erd\\H{{o}}s</authors>"
        "<categories>cs.LG stat.ML</categories><doi>10.1/x</doi>"
        f"<abstract>  An abstract\n of number {number}.\n</abstract></arXivRaw></metadata></record>"
    )


def page(records: str, token: str | None = None, date: str = "2026-02-01T10:00:00Z") -> bytes:
    ending = f'<resumptionToken completeListSize="5">{token}</resumptionToken>' if token else "<resumptionToken/>"
    return f"{OAI.format(date=date)}<ListRecords>{records}{ending}</ListRecords></OAI-PMH>".encode()


def refusal(code: str) -> bytes:
    return f'{OAI.format(date="2026-02-01T10:00:00Z")}<error code="{code}">No.</error></OAI-PMH>'.encode()


PAGES = {
    None: page(record(1) + record(2), "t|1"),
    "t|1": page(record(3, deleted=True) + record(4), "t|2", "2026-02-02T00:00:00Z"),
    "t|2": page(record(5) + "<record><header/></record>"),
}


def repository(request: BaseHTTPRequestHandler) -> None:
    asked = parse_qs(urlsplit(request.path).query)
    token = asked.get("resumptionToken", [None])[0]
    assert asked["verb"] == ["ListRecords"]
    # By the protocol, a token replaces all other arguments.
    assert (asked.keys() == {"verb", "resumptionToken"}) if token else (asked["metadataPrefix"] == ["arXivRaw"])
    send(request, 200, PAGES[token] if token in PAGES else refusal("badResumptionToken"))


def harvested(server: Server, folder: Path, **options: Any) -> Harvest:
    return harvest(folder, url=f"{server.url}/oai", policy=options.pop("policy", POLICY), **options)


def test_a_harvest_is_a_file_that_readers_read(server: Server, tmp_path: Path) -> None:
    server.usual = repository
    seen: list[tuple[int, int | None]] = []
    done = harvested(server, tmp_path, since="2026-01-01", subset="cs", progress=lambda *at: seen.append(at))
    assert "from=2026-01-01" in server.asked[0]
    assert "set=cs" in server.asked[0]
    assert (done.records, done.deleted, done.unusable, done.until) == (4, 1, 1, "2026-02-01")
    assert seen == [(2, 5), (4, 5), (5, None)]
    path = tmp_path / done.file
    assert hashlib.sha256(path.read_bytes()).hexdigest() == done.sha256
    assert finished_harvests(tmp_path) == [done]
    reader = read_papers(path)
    papers = list(reader)
    assert [paper.id for paper in papers] == ["2601.00001", "2601.00002", "2601.00004", "2601.00005"]
    assert list(reader.report.withdrawn) == ["2601.00003"]
    first = papers[0]
    assert (first.title, first.abstract) == ("Paper 1 & more", "An abstract of number 1.")
    assert (first.authors[0].name, first.categories, first.versions) == ("Ada Lovelace", ("cs.LG", "stat.ML"), 2)
    assert (str(first.published), str(first.updated)) == ("2026-01-05", "2026-01-06")
    assert server.most_at_once == 1


def test_transient_failures_are_retried(server: Server, tmp_path: Path) -> None:
    server.usual = repository
    server.script = [
        lambda request: send(request, 503, Retry_After="0"),
        lambda request: send(request, 503, Retry_After=formatdate(time() - 5, usegmt=True)),
        None,
        lambda request: send(request, 200, PAGES["t|1"], cut=100),
        lambda request: send(request, 200, PAGES["t|1"][:-30]),
        None,
        lambda request: setattr(request, "close_connection", True),
    ]
    said: list[str] = []
    done = harvested(server, tmp_path, notify=said.append)
    assert (done.records, done.deleted) == (4, 1)
    words = [next(word for word in ("503", "broke off", "not well-formed") if word in line) for line in said]
    assert words == ["503", "503", "broke off", "not well-formed", "broke off"]


def test_retry_after_is_honoured(server: Server, tmp_path: Path) -> None:
    server.usual = repository
    server.script = [lambda request: send(request, 503, Retry_After="1")]
    started = monotonic()
    harvested(server, tmp_path)
    assert monotonic() - started >= 1.0
    server.script = [lambda request: send(request, 503, Retry_After="86400")]
    with pytest.raises(RemoteError, match="a wait of 86,400 s"):
        harvested(server, tmp_path)


def test_requests_are_separated_by_the_pause(server: Server, tmp_path: Path) -> None:
    server.usual = repository
    started = monotonic()
    harvested(server, tmp_path, policy=RetryPolicy(pause=0.3))
    assert monotonic() - started >= 0.6


def test_an_interrupted_harvest_continues_after_its_last_complete_page(server: Server, tmp_path: Path) -> None:
    server.usual = repository
    server.script = [None, None, *[lambda request: send(request, 500)] * 3]
    with pytest.raises(RemoteError, match="500"):
        harvested(server, tmp_path, since="2026-01-01")
    with (tmp_path / ".harvest.part").open("ab") as file:
        file.write(b'{"id": "half a rec')
    server.asked.clear()
    done = harvested(server, tmp_path, since="2026-01-01")
    assert len(server.asked) == 1
    assert "resumptionToken=t%7C2" in server.asked[0]
    assert (done.records, done.deleted, done.until) == (4, 1, "2026-02-01")
    assert len(list(read_papers(tmp_path / done.file))) == 4


def test_a_harvest_killed_after_its_last_page_sends_no_request_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.usual = repository
    with monkeypatch.context() as killed:
        killed.setattr(sys.modules["akin.papers.remote.harvest"], "replace_file", _killed_once(replace_file, at=3))
        with pytest.raises(KeyboardInterrupt):
            harvested(server, tmp_path)
    server.asked.clear()
    done = harvested(server, tmp_path)
    assert server.asked == []
    assert (done.records, done.deleted, done.until) == (4, 1, "2026-02-01")
    assert len(list(read_papers(tmp_path / done.file))) == 4


@pytest.mark.parametrize("step", ["rename", "account", "sync", "unlink"])
@pytest.mark.parametrize("again", [False, True], ids=["first", "beside an older file of that name"])
def test_a_harvest_killed_while_it_ends_sends_no_request_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, again: bool
) -> None:
    server.usual = repository
    if again:
        before = harvested(server, tmp_path, since="2026-01-01")
        (tmp_path / before.file).write_bytes(b"{}\n")
    module, ends = sys.modules["akin.papers.remote.harvest"], []

    def ending(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*arguments: Any, **options: Any) -> Any:
            # Only the steps after the last page are interrupted.
            if (tmp_path / ".harvest.json").exists() and name == step and _finished(tmp_path):
                ends.append(name)
                raise KeyboardInterrupt
            return act(*arguments, **options)

        return acted

    def account(path: Path, content: bytes) -> None:
        act = ending("account", replace_file) if path.suffix == ".json" and path.name[0] != "." else replace_file
        act(path, content)

    with monkeypatch.context() as killed:
        killed.setattr(module, "replace_file", account)
        killed.setattr(module, "sync", ending("sync", module.sync))
        killed.setattr(Path, "rename", ending("rename", Path.rename))
        killed.setattr(Path, "unlink", ending("unlink", Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            harvested(server, tmp_path, since="2026-01-01")
    assert ends == [step]
    server.asked.clear()
    seen = finished_harvests(tmp_path)
    assert [harvest.since for harvest in seen] == (["2026-01-01"] if step != "rename" or again else [])
    done = harvested(server, tmp_path, since="2026-01-01")
    assert server.asked == []
    assert (done.records, done.deleted, done.unusable, done.until) == (4, 1, 1, "2026-02-01")
    content = (tmp_path / done.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == done.sha256
    assert len(list(read_papers(tmp_path / done.file))) == 4
    assert finished_harvests(tmp_path) == [done]
    assert sorted(path.name for path in tmp_path.iterdir()) == [done.file, f"{done.file}.json"]


def test_a_file_without_its_account_is_listed_and_kept_by_another_harvest(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.usual = repository
    with monkeypatch.context() as killed:
        killed.setattr(sys.modules["akin.papers.remote.harvest"], "_write_account", _killed_once(lambda *_: None, at=1))
        with pytest.raises(KeyboardInterrupt):
            harvested(server, tmp_path)
    (known,) = finished_harvests(tmp_path)
    assert (known.records, known.until) == (4, "2026-02-01")
    later = harvested(server, tmp_path, since=known.until)
    assert "from=2026-02-01" in server.asked[-3]
    assert sorted(finished_harvests(tmp_path), key=lambda harvest: harvest.since or "") == [known, later]


def _finished(folder: Path) -> bool:
    state = json.loads((folder / ".harvest.json").read_bytes())
    return bool(state["until"]) and state["token"] is None


def _killed_once(write: Callable[..., None], at: int) -> Callable[..., None]:
    """Return a function that writes, and raises KeyboardInterrupt after so many calls."""
    calls = []

    def written(*arguments: Any) -> None:
        write(*arguments)
        calls.append(arguments)
        if len(calls) == at:
            raise KeyboardInterrupt

    return written


def test_a_harvest_with_other_arguments_does_not_continue_this_one(server: Server, tmp_path: Path) -> None:
    server.usual = repository
    server.script = [None, *[lambda request: send(request, 500)] * 3]
    with pytest.raises(RemoteError):
        harvested(server, tmp_path, since="2026-01-01")
    done = harvested(server, tmp_path, since="2026-01-02")
    assert (done.records, done.since) == (4, "2026-01-02")


def test_an_expired_token_begins_the_harvest_again(server: Server, tmp_path: Path) -> None:
    server.usual = repository
    server.script = [None, lambda request: send(request, 200, refusal("badResumptionToken"))]
    said: list[str] = []
    done = harvested(server, tmp_path, notify=said.append)
    assert done.records == 4
    assert any("from the beginning" in line for line in said)
    server.usual = lambda request: send(
        request, 200, refusal("badResumptionToken") if "Token" in request.path else PAGES[None]
    )
    with pytest.raises(RemoteError, match="badResumptionToken"):
        harvested(server, tmp_path)


def test_nothing_new_and_refusals(server: Server, tmp_path: Path) -> None:
    server.usual = lambda request: send(request, 200, refusal("noRecordsMatch"))
    done = harvested(server, tmp_path, since="2026-02-01")
    assert (done.records, done.until) == (0, "2026-02-01")
    server.usual = lambda request: send(request, 200, refusal("badArgument"))
    with pytest.raises(RemoteError, match=r"refuses: No\. \(badArgument\)"):
        harvested(server, tmp_path)
    server.usual = lambda request: send(request, 200, b"<html><body>maintenance</body></html>")
    with pytest.raises(RemoteError, match="not OAI-PMH"):
        harvested(server, tmp_path)
