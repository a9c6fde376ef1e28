from __future__ import annotations

import json
from collections import Counter

import pytest

from akin.papers import Paper
from loadtests.queries import QuerySource
from loadtests.requests import Requests, failure_reason


def queries() -> QuerySource:
    return QuerySource(
        [Paper(f"{n}", f"Title number {n} of many", f"Abstract {n} of all. It says {n} twice.") for n in range(400)]
    )


def test_the_reference_mix_has_its_shares() -> None:
    requests = Requests("reference", "dense", queries())
    kinds = Counter(requests.next().kind for _ in range(1_100))
    assert kinds == {"short search": 500, "long search": 300, "embed": 200, "health": 100}


@pytest.mark.parametrize(
    ("wanted", "path", "fields"),
    [
        ("short", "/search", {"query", "k", "mode"}),
        ("long", "/search", {"query", "k", "mode"}),
        ("embed", "/embed", {"abstract"}),
    ],
)
def test_requests_have_the_fields_of_the_service(wanted: str, path: str, fields: set[str]) -> None:
    request = Requests(wanted, "lexical", queries()).next()
    assert (request.method, request.path) == ("POST", path)
    body = json.loads(request.body)
    assert set(body) == fields
    assert body.get("mode", "lexical") == "lexical"


def test_a_degraded_answer_is_a_failure() -> None:
    assert failure_reason(200, b'{"results":[],"degraded":null}') == ""
    assert failure_reason(200, b'{"results":[],"degraded":"the encoder is away"}') == "degraded answer"
    assert failure_reason(200, b'{"degraded": "spaced"}') == "degraded answer"
    assert failure_reason(200, json.dumps({"abstract": 'It says "degraded":"so"', "degraded": None}).encode()) == ""


def test_errors_have_the_services_error_code() -> None:
    assert failure_reason(503, b'{"error":{"code":"encoder_busy","message":"later"}}') == "503 encoder_busy"
    assert failure_reason(502, b"<html>") == "502"
    assert failure_reason(500, b'{"error":"text"}') == "500"
    assert failure_reason(0, None) == "no answer"
