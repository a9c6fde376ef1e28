"""The deployed server of the page, with Gradio behind the gate and a stub of the service."""

from __future__ import annotations

from typing import Any


def test_only_the_routes_that_the_page_uses_are_served(said: dict[str, Any]) -> None:
    assert said["routes"] > 60
    assert sorted(said["behind"]) == [
        "GET /",
        "GET /assets/{path:path}",
        "GET /favicon.ico",
        "GET /gradio_api/app_id",
        "GET /gradio_api/queue/data",
        "GET /manifest.json",
        "GET /robots.txt",
        "GET /theme.css",
        "HEAD /",
        "POST /gradio_api/queue/join",
    ]


def test_every_answer_has_the_headers_and_no_site_may_read_it(said: dict[str, Any]) -> None:
    assert said["without"] == []


def test_gradio_ignores_the_query_of_the_address(said: dict[str, Any]) -> None:
    assert said["page"][0] == 200
    assert said["page"][1] > 10_000
    assert said["page"][2] < said["page"][1] / 3  # packed
    assert said["assets"] == [200]
    assert said["host"] == 421
    assert said["forwarded"] is False


def test_a_search_is_answered_and_leaves_no_session(said: dict[str, Any]) -> None:
    assert said["found"] is True
    assert said["kept"] == [[], []]


def test_gradio_keeps_few_sessions(said: dict[str, Any]) -> None:
    assert 0 < said["sessions"] <= 100  # of 240 kB each


def test_the_queue_is_bounded(said: dict[str, Any]) -> None:
    assert said["show_error"] is False
    taken, refused, first, last = said["queue"]
    assert (first, last) == (200, 503)
    assert said["max_size"] <= taken < 128 + 64 + 1
    assert refused >= 10
    status, body = said["refused"]
    assert status == 503
    assert "Try again" in body["detail"] == body["error"]["message"]
    assert max(said["held"]) <= 128
