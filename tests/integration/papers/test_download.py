"""Download of files from an unreliable server."""

from __future__ import annotations

import hashlib
import json
import resource
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from akin.papers import RemoteError
from akin.papers.remote import download, finished_harvests, public_url
from tests.integration.papers.conftest import POLICY, Answer, Server, send
from tests.integration.papers.test_harvest import harvested, repository

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
    return download(f"{server.url}/papers.jsonl", folder, policy=POLICY, **options)


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


def test_an_interrupted_download_continues_in_the_same_call(server: Server, tmp_path: Path) -> None:
    # More failures than attempts: after received bytes, failures are counted from one again.
    server.script = [file_of(CONTENT, cut=len(CONTENT) - 300_000 * n) for n in range(1, 6)]
    server.usual = file_of(CONTENT)
    said: list[str] = []
    fetched(server, tmp_path, notify=said.append)
    assert whole(tmp_path)
    assert len(said) == 5
    assert all("broke off" in line for line in said)
    assert server.headers[-1]["Range"].startswith("bytes=")
    assert server.headers[-1]["If-Range"] == '"v1"'


def test_an_interrupted_download_continues_in_the_next_call(server: Server, tmp_path: Path) -> None:
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


def test_a_complete_part_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    server.script = [file_of(CONTENT, cut=0)]
    server.usual = file_of(CONTENT)
    with pytest.raises(RemoteError, match="has SHA-256"):
        fetched(server, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []
    # A kill between the last byte and the rename.
    (tmp_path / ".papers.jsonl.part").write_bytes(CONTENT)
    state = {"url": f"{server.url}/papers.jsonl", "validator": '"v1"', "bytes": len(CONTENT)}
    (tmp_path / ".papers.jsonl.json").write_text(json.dumps(state))
    assert fetched(server, tmp_path).resumed_at == len(CONTENT)
    assert whole(tmp_path)


def test_only_one_process_writes_a_file(server: Server, tmp_path: Path) -> None:
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
        with pytest.raises(RemoteError, match=r"part: another process is fetching this file"):
            fetch(server, tmp_path)
        go_on.set()
        first.join()
        fetch(server, tmp_path)
    assert (tmp_path / "papers.jsonl").read_bytes() == CONTENT
    assert [done.records for done in finished_harvests(tmp_path)] == [4]


def test_final_errors_are_not_retried(server: Server, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"papers\.jsonl: the server answered 404"):
        fetched(server, tmp_path)
    assert len(server.asked) == 1
    for address in ("ftp://x/y", "nonsense", "gs://bucket", "s3:///key", "http://127.0.0.1:1/"):
        with pytest.raises(RemoteError):
            download(address, tmp_path, policy=POLICY)


def test_redirects_are_followed_over_http_only(server: Server, tmp_path: Path) -> None:
    server.script = [file_of(CONTENT, cut=1_000_000), lambda request: send(request, 302, Location="/moved")]
    server.usual = file_of(CONTENT)
    assert fetched(server, tmp_path).resumed_at == 0
    assert whole(tmp_path)
    assert server.asked[-1] == "/moved"
    assert server.headers[-1]["Range"] == f"bytes={len(CONTENT) - 1_000_000}-"
    for address in ("file:///etc/passwd", "ftp://127.0.0.1/x", f"{server.url}/again"):
        server.asked.clear()
        server.usual = lambda request, address=address: send(request, 302, Location=address)
        with pytest.raises(RemoteError, match="redirects to"):
            fetched(server, tmp_path / "elsewhere")
        assert len(server.asked) == (11 if address.startswith("http") else 1)


def test_a_server_that_cannot_be_reached(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(RemoteError, match=r"cannot be reached.*after 3 attempts"):
        download("http://127.0.0.1:1/papers.jsonl", tmp_path, policy=POLICY, notify=said.append)
    assert len(said) == 2


def test_a_full_disk_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.usual = file_of(CONTENT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, before[1]))
    try:
        with pytest.raises(RemoteError, match=r"cannot be written .*the same command continues it"):
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
