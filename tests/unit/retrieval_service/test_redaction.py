"""Answers contain no path of this machine and no address of its network."""

from __future__ import annotations

import re
from pathlib import Path
from time import thread_time
from timeit import timeit
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from retrieval_service import errors
from retrieval_service.redaction import redact_detail, redact_message, redact_text
from retrieval_service.routes import error_handlers
from retrieval_service.routes.error_handlers import ERROR_HANDLERS

FILE = "/home/me/my data/snapshots/20260101T000000Z-abc/lexical/meta.json"
ADDRESSES = (
    "grpc://triton:8001",
    "http://10.0.0.5:8000/v2",
    "triton:8001",
    "10.0.0.5:8001",
    "ipv4:10.0.0.5:8001",
    "[fd00::5]:8001",
)
INNER = re.compile(r"/home|/data|triton:|10\.0|fd00|8001|8000|name=")


def every(kind: type[errors.RetrievalError]) -> list[type[errors.RetrievalError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in every(child))]


SERVERS = [
    kind
    for kind in every(errors.RetrievalError)
    # A client that has closed its connection gets no answer.
    if not issubclass(kind, errors.RequestError) and kind is not errors.ClientGone
]


def made(kind: type[errors.RetrievalError]) -> errors.RetrievalError:
    if issubclass(kind, errors.SnapshotInvalid):
        return kind(Path(FILE), "cannot be read ([Errno 2] No such file: '/home/me/my data/x')")
    text = f"{FILE}: is away; see /data/snapshots. Triton at grpc://triton:8001 has none, nor http://10.0.0.5:8000."
    if issubclass(kind, errors.DeadlineExceeded):
        return kind(text)
    return kind(text, {"file": FILE, "more": ["/data/embeddings", {"url": "grpc://triton:8001"}], "version": 1})


@pytest.mark.parametrize("kind", SERVERS)
def test_no_error_of_the_service_shows_paths_or_addresses(
    kind: type[errors.RetrievalError], caplog: pytest.LogCaptureFixture
) -> None:
    error_handlers._log_once.cache_clear()
    error = made(kind)

    async def fail(request: Request) -> Any:
        raise error

    app = Starlette(routes=[Route("/", fail)], exception_handlers=ERROR_HANDLERS)
    client = TestClient(app, raise_server_exceptions=False)
    answer = client.get("/")
    client.get("/")
    assert answer.json()["error"]["code"] == kind.code
    assert not INNER.search(answer.text), answer.text
    # The file's name stays, and the log and the command line have the full text.
    assert "20260101T000000Z-abc/lexical/meta.json" in answer.json()["error"]["message"]
    assert FILE in str(error)
    assert [record.getMessage().endswith(error.message) for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("full", "public"),
    [
        ("/data/snapshots/one/vectors.faiss: has 3 bytes, not 4", "one/vectors.faiss: has 3 bytes, not 4"),
        ("below /srv/akin/data: No space left on device", "below data: No space left on device"),
        ("No such file or directory: '/srv/my data/x.sqlite'", "No such file or directory: 'x.sqlite'"),
        ("cannot read ~/akin/data.", "cannot read data."),
        ("Triton at grpc://triton:8001 has no version 3 ready.", "Triton has no version 3 ready."),
        ("Triton at 127.0.0.1:8001 did not answer within 2 s.", "Triton did not answer within 2 s."),
        (
            "Triton does not answer at triton:8000: Cannot connect to host triton:8000 ssl:default "
            "[Connect call failed ('172.18.0.3', 8000)].",
            "Triton does not answer: Cannot connect to host its address ssl:default [Connect call failed its address].",
        ),
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:8001: Connection refused",
            "failed to connect to all addresses; last error: UNKNOWN: its address: Connection refused",
        ),
        (
            "DNS resolution failed for triton:8001: C-ares status is not ARES_SUCCESS name=triton is_balancer=0",
            "DNS resolution failed: C-ares status is not ARES_SUCCESS its address is_balancer=0",
        ),
        ("unable to open file:///srv/data/x.sqlite?mode=ro", "unable to open its address"),
    ],
)
def test_texts(full: str, public: str) -> None:
    assert redact_text(full) == public


@pytest.mark.parametrize(
    "text",
    [
        "There is nothing at this address. GET /docs lists the addresses there are.",
        "Ask POST /search, or GET /health/ready; see /openapi.json.",
        "Snapshot 20260101T000000Z-abc was made by encoder 0123456789ab (version 3): akin encoder list.",
        "The encoder has more requests than it can answer; repeat the request in a moment.",
        "Index some: akin index build sample",
        "recall@10 of 3/4 at 12:30, 5,000 papers and/or more",
    ],
)
def test_texts_without_paths_and_addresses_stay(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_in_any_form(address: str) -> None:
    for text in (
        f"Nothing answers at {address}.",
        f"{address} is away",
        f"asked ({address}), in vain",
        f"at {address}: x",
    ):
        assert not INNER.search(redact_text(text)), redact_text(text)


@pytest.mark.parametrize(
    "run", [" ", "/", "a", "a-", "a.", ".a", "('", "[1", "[:", "1.", "'/", "at ", "name=", "x:", "~/"]
)
def test_the_time_is_linear_in_the_text(run: str) -> None:
    def seconds(length: int) -> float:
        text = run * (length // len(run))
        return min(timeit(lambda: redact_text(text), timer=thread_time, number=1) for _ in range(15))

    # Triton's refusal of a text may contain a part of it. The bound: four times the text, and as much again for noise.
    assert seconds(20_000) < 8 * max(seconds(5_000), 0.0005)


def test_details_keep_their_shape() -> None:
    detail = {"file": FILE, "count": 3, "list": [None, 1.5, "/a b/c"], "text": "as it is"}
    file = "20260101T000000Z-abc/lexical/meta.json"
    assert redact_detail(detail) == {"file": file, "count": 3, "list": [None, 1.5, "c"], "text": "as it is"}


def test_text_that_the_client_sent_is_not_changed() -> None:
    error = errors.InvalidParameter("'http://example.org:80/a' is no arXiv id, nor is '/a/b'.")
    assert redact_message(error) == error.message
