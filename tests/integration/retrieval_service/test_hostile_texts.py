"""A hostile text in any parameter costs the service at most half a second of processor time."""

from __future__ import annotations

from time import process_time
from typing import Any

from starlette.testclient import TestClient

from tests.unit.hostile import LONG, MOST_SECONDS, RUNS


def pieces(text: str, size: int, most: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)][:most]


def bodies(text: str) -> dict[str, dict[str, Any]]:
    """Return searches with a text in each parameter that takes one."""
    return {
        "query": {"query": text},
        "operators": {"query": text[:300]},
        "phrase": {"query": f'"{text[:290]}"'},
        "author in the query": {"query": f'au:"{text[:290]}"'},
        "authors": {"query": "words", "authors": pieces(text, 500, 32)},
        "many ids": {"query": "words", "ids": pieces(text, 20, 1000)},
        "long ids": {"query": "words", "ids": pieces(text, 500, 1000)},
        "like": {"like": pieces(text, 500, 32)},
        "categories": {"query": "words", "categories": pieces(text, 100, 64)},
        "days": {"query": "words", "from": text, "to": text},
    }


def seconds(client: TestClient, body: dict[str, Any]) -> float:
    """Return the processor time of a search, which may be refused but must not fail."""
    started = process_time()
    response = client.post("/search", json={**body, "mode": "lexical"})
    taken = process_time() - started
    assert response.status_code < 500, body
    return taken


def test_searches_of_hostile_texts(client: TestClient) -> None:
    assert client.post("/search", json={"query": "words", "mode": "lexical"}).status_code == 200
    taken = {
        (run, place): seconds(client, body) for run, made in RUNS.items() for place, body in bodies(made(LONG)).items()
    }
    # The texts that cost most, in as many and as long ids as a request may have.
    for run in sorted(RUNS, key=lambda run: taken[run, "long ids"])[-20:]:
        ids = pieces(RUNS[run](LONG) * 25, 500, 1000)
        taken[run, "many long ids"] = seconds(client, {"query": "words", "ids": ids})
    assert {asked: time for asked, time in taken.items() if time > MOST_SECONDS} == {}
