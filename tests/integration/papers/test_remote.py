"""Fetching papers from a server that misbehaves, on a real socket."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from papers import RemoteError, read_papers
from papers.durable import replace_file
from papers.remote import Harvest, download, finished_harvests, harvest, public_url
from papers.remote.http import Manners

pytestmark = pytest.mark.integration

MANNERS = Manners(pause=0.0, timeout=5.0, attempts=3, first_wait=0.01)
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers as it is told: each request takes the next of the scripted answers, and then the usual one."""

    def __init__(self) -> None:
        self.script: list[Answer | None] = []
        self.usual: Answer = lambda request: send(request, 404)
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.asked.append(self.path)
                server.headers.append(dict(self.headers.items()))
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
                try:
                    ((server.script.pop(0) if server.script else None) or server.usual)(self)
                finally:
                    server.at_once -= 1

            def log_message(self, *_: Any) -> None:
                pass

        self.running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.running.server_port}"
        threading.Thread(target=self.running.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.running.shutdown()
        self.running.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def send(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", *, cut: int = 0, **headers: str) -> None:
    """An answer; with `cut` that many bytes are promised and not sent."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[: len(body) - cut])
    if cut:
        request.wfile.flush()
        request.close_connection = True


# --- files ---

CONTENT = b"".join(b"line %d of a file of papers\n" % n for n in range(60_000))


def file_of(content: bytes, *, cut: int = 0, etag: str = '"v1"', ranges: bool = True) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        if not ranges or not wanted or request.headers.get("If-Range", etag) != etag:
            send(request, 200, content, cut=cut, ETag=etag)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(content):
            send(request, 416, Content_Range=f"bytes */{len(content)}")
            return
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        send(request, 206, content[start:], cut=min(cut, len(content) - start), ETag=etag, Content_Range=span)

    return answer


def fetched(server: Server, folder: Path, **options: Any) -> Any:
    return download(f"{server.url}/papers.jsonl", folder, manners=MANNERS, **options)


def whole(folder: Path) -> bool:
    kept = sorted(path.name for path in folder.iterdir())
    return kept == ["papers.jsonl", "papers.jsonl.sha256"] and (folder / "papers.jsonl").read_bytes() == CONTENT


def test_a_file_comes_whole_with_its_digest(server: Server, tmp_path: Path) -> None:
    server.usual = file_of(CONTENT)
    seen: list[tuple[int, int | None]] = []
    got = fetched(server, tmp_path, progress=lambda *at: seen.append(at), sha256=hashlib.sha256(CONTENT).hexdigest())
    assert whole(tmp_path)
    assert (got.bytes, got.resumed_at) == (len(CONTENT), 0)
    assert (tmp_path / "papers.jsonl.sha256").read_text() == f"{got.sha256}  papers.jsonl\n"
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_connection_that_drops_is_taken_up_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    # More drops than attempts: those between which something came are counted anew.
    server.script = [file_of(CONTENT, cut=len(CONTENT) - 300_000 * n) for n in range(1, 6)]
    server.usual = file_of(CONTENT)
    said: list[str] = []
    fetched(server, tmp_path, say=said.append)
    assert whole(tmp_path)
    assert len(said) == 5
    assert all("broke off" in line for line in said)
    assert server.headers[-1]["Range"].startswith("bytes=")
    assert server.headers[-1]["If-Range"] == '"v1"'


def test_a_later_command_goes_on(server: Server, tmp_path: Path) -> None:
    server.script = [file_of(CONTENT, cut=1_000_000), *[lambda request: send(request, 503)] * 2]
    server.usual = file_of(CONTENT)
    with pytest.raises(RemoteError, match="503"):
        fetched(server, tmp_path)
    assert not (tmp_path / "papers.jsonl").exists()
    server.asked.clear()
    got = fetched(server, tmp_path)
    assert whole(tmp_path)
    assert got.resumed_at == len(CONTENT) - 1_000_000
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [file_of(CONTENT, etag='"v2"'), file_of(CONTENT, ranges=False)])
def test_another_file_or_a_server_without_ranges_starts_over(server: Server, tmp_path: Path, answer: Answer) -> None:
    server.script = [file_of(b"x" * 500_000, cut=100_000)]
    server.usual = answer
    fetched(server, tmp_path)
    assert whole(tmp_path)


def test_what_is_there_already_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    server.script = [file_of(CONTENT, cut=0)]
    server.usual = file_of(CONTENT)
    with pytest.raises(RemoteError, match="has SHA-256"):
        fetched(server, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []
    # A kill between the last byte and the rename.
    (tmp_path / ".papers.jsonl.part").write_bytes(CONTENT)
    state = {"url": f"{server.url}/papers.jsonl", "validator": '"v1"'}
    (tmp_path / ".papers.jsonl.json").write_text(json.dumps(state))
    assert fetched(server, tmp_path).resumed_at == len(CONTENT)
    assert whole(tmp_path)


def test_two_at_once_do_not_write_into_one_file(server: Server, tmp_path: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        started.set()
        go_on.wait(5)
        usual(request)

    for usual, fetch in ((file_of(CONTENT), fetched), (repository, harvested)):
        started.clear()
        go_on.clear()
        server.usual, server.script = usual, [slow]
        first = threading.Thread(target=fetch, args=(server, tmp_path))
        first.start()
        assert started.wait(5)
        with pytest.raises(RemoteError, match=r"part: another process is fetching this"):
            fetch(server, tmp_path)
        go_on.set()
        first.join()
        fetch(server, tmp_path)
    assert (tmp_path / "papers.jsonl").read_bytes() == CONTENT
    assert [done.records for done in finished_harvests(tmp_path)] == [4]


def test_refusals_are_not_repeated(server: Server, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"papers\.jsonl: the server answered 404"):
        fetched(server, tmp_path)
    assert len(server.asked) == 1
    for address in ("ftp://x/y", "nonsense", "gs://bucket", "s3:///key", "http://127.0.0.1:1/"):
        with pytest.raises(RemoteError):
            download(address, tmp_path, manners=MANNERS)


def test_nobody_answers(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(RemoteError, match=r"cannot be reached.*after 3 attempts"):
        download("http://127.0.0.1:1/papers.jsonl", tmp_path, manners=MANNERS, say=said.append)
    assert len(said) == 2


def test_a_full_disk_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.usual = file_of(CONTENT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, before[1]))
    try:
        with pytest.raises(RemoteError, match=r"cannot be written .*the same command goes on"):
            fetched(server, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert fetched(server, tmp_path).resumed_at > 0
    assert whole(tmp_path)


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("https://host/a/b.json", "https://host/a/b.json"),
        ("gs://bucket/deep/key v1.json", "https://storage.googleapis.com/bucket/deep/key%20v1.json"),
        ("s3://bucket/key.json", "https://bucket.s3.amazonaws.com/key.json"),
        ("s3://my.bucket/key.json", "https://s3.amazonaws.com/my.bucket/key.json"),
    ],
)
def test_public_objects_have_addresses(source: str, url: str) -> None:
    assert public_url(source) == url


# --- harvests ---

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
    # The protocol: a token stands for all of the other arguments, and excludes them.
    assert (asked.keys() == {"verb", "resumptionToken"}) if token else (asked["metadataPrefix"] == ["arXivRaw"])
    send(request, 200, PAGES[token] if token in PAGES else refusal("badResumptionToken"))


def harvested(server: Server, folder: Path, **options: Any) -> Harvest:
    return harvest(folder, url=f"{server.url}/oai", manners=options.pop("manners", MANNERS), **options)


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
    assert (first.authors[0], first.categories, first.versions) == ("Ada Lovelace", ("cs.LG", "stat.ML"), 2)
    assert (str(first.published), str(first.updated)) == ("2026-01-05", "2026-01-06")
    assert server.most_at_once == 1


def test_a_misbehaving_repository_is_waited_for(server: Server, tmp_path: Path) -> None:
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
    done = harvested(server, tmp_path, say=said.append)
    assert (done.records, done.deleted) == (4, 1)
    words = [next(word for word in ("503", "broke off", "not well-formed") if word in line) for line in said]
    assert words == ["503", "503", "broke off", "not well-formed", "broke off"]


def test_retry_after_is_kept(server: Server, tmp_path: Path) -> None:
    server.usual = repository
    server.script = [lambda request: send(request, 503, Retry_After="1")]
    started = monotonic()
    harvested(server, tmp_path)
    assert monotonic() - started >= 1.0
    server.script = [lambda request: send(request, 503, Retry_After="86400")]
    with pytest.raises(RemoteError, match="come back in 86,400 s"):
        harvested(server, tmp_path)


def test_requests_keep_their_distance(server: Server, tmp_path: Path) -> None:
    server.usual = repository
    started = monotonic()
    harvested(server, tmp_path, manners=Manners(pause=0.3))
    assert monotonic() - started >= 0.6


def test_an_interrupted_harvest_goes_on_after_its_last_whole_page(server: Server, tmp_path: Path) -> None:
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


def test_a_harvest_killed_after_its_last_page_asks_for_nothing_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.usual = repository
    with monkeypatch.context() as killed:
        killed.setattr(sys.modules["papers.remote.harvest"], "replace_file", _killed_once(replace_file, at=3))
        with pytest.raises(KeyboardInterrupt):
            harvested(server, tmp_path)
    server.asked.clear()
    done = harvested(server, tmp_path)
    assert server.asked == []
    assert (done.records, done.deleted, done.until) == (4, 1, "2026-02-01")
    assert len(list(read_papers(tmp_path / done.file))) == 4


def _killed_once(write: Callable[..., None], at: int) -> Callable[..., None]:
    """Writes, and is killed when it has written so many times."""
    calls = []

    def written(*arguments: Any) -> None:
        write(*arguments)
        calls.append(arguments)
        if len(calls) == at:
            raise KeyboardInterrupt

    return written


def test_another_harvest_does_not_go_on_with_this_one(server: Server, tmp_path: Path) -> None:
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
    done = harvested(server, tmp_path, say=said.append)
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
    with pytest.raises(RemoteError, match="no OAI-PMH"):
        harvested(server, tmp_path)
