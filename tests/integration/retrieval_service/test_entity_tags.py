"""Test that answers have tags, and that a client with the right one is answered 304 without a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from akin.papers import Paper
from retrieval_service.errors import EncoderUnavailable
from tests.integration.service import client_of

TAGGED = (
    "/search?q=some+words&k=3",
    "/search?like=2001.10001",
    "/papers/2001.10001",
    "/papers/2001.10001/similar?k=2",
    "/corpus",
)


def tag_of(client: TestClient, address: str) -> str:
    answer = client.get(address)
    assert answer.is_success
    return answer.headers["etag"]


@pytest.mark.parametrize("address", TAGGED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_known_answer_is_not_sent_again(client: TestClient, method: str, address: str) -> None:
    first = client.request(method, address)
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    assert first.headers["cache-control"] == "no-cache"
    for given in (tag, tag.removeprefix("W/"), f'"other", {tag}', f'W/"other",{tag},"more"', "*"):
        again = client.request(method, address, headers={"if-none-match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert {name: again.headers[name] for name in ("etag", "cache-control", "vary")} == {
            "etag": tag, "cache-control": "no-cache", "vary": "Accept-Encoding"
        }  # fmt: skip
        assert "content-type" not in again.headers
        assert "content-security-policy" in again.headers
    for other in ('"other"', tag[:-3] + 'x"', tag.strip('W/"'), ""):
        answer = client.request(method, address, headers={"if-none-match": other})
        assert (answer.status_code, answer.headers["etag"]) == (200, tag)


def test_equal_requests_have_one_tag_and_others_another(client: TestClient) -> None:
    tag = tag_of(client, "/search?q=some+words&k=3")
    for same in ("k=3&q=some%20words", "query=some+words+&k=3&offset=0&mode=hybrid", "query=some+words&k=3&to="):
        assert tag_of(client, f"/search?{same}") == tag
    others = ["q=some+words&k=4", "q=some+word&k=3", "q=some+words&k=3&offset=1", "q=some+words&k=3&collapse=false"]
    others.append("abstract=some+words&k=3")
    tags = {tag_of(client, f"/search?{other}") for other in others}
    tags |= {tag_of(client, address) for address in TAGGED}
    assert len(tags) == len(others) + len(TAGGED)


def test_settings_that_change_answers_change_tags(corpus: Any) -> None:
    tags = []
    for settings in ({}, {"search_threads": 1}, {"dense_weight": 0.4}, {"fusion": "rrf"}):
        with client_of(corpus.data, corpus.encoder, **settings) as client:
            tags.append(tag_of(client, TAGGED[0]))
    assert tags[0] == tags[1]
    assert len(set(tags)) == 3


def test_errors_and_posts_have_no_tag(client: TestClient) -> None:
    for address in ("/papers/nothing", "/search?k=3", "/search?q=x&k=300", "/nowhere"):
        answer = client.get(address, headers={"if-none-match": "*"})
        assert answer.status_code in {400, 404}
        assert "etag" not in answer.headers
    answer = client.post("/search", json={"query": "some words"}, headers={"if-none-match": "*"})
    assert answer.status_code == 200
    assert "etag" not in answer.headers


def test_a_large_answer_is_compressed_and_keeps_its_tag(client: TestClient) -> None:
    plain, small = ({"accept-encoding": each} for each in ("identity", "gzip"))
    address = "/search?q=some+words&k=100"
    sent, whole = client.get(address, headers=small), client.get(address, headers=plain)
    assert sent.headers["content-encoding"] == "gzip"
    assert int(sent.headers["content-length"]) < int(whole.headers["content-length"]) / 2
    assert sent.json()["results"] == whole.json()["results"]
    assert sent.headers["etag"] == whole.headers["etag"]
    assert sent.headers["vary"] == whole.headers["vary"] == "Accept-Encoding"
    assert client.head(address, headers=small).headers["content-encoding"] == "gzip"
    assert client.get(address, headers={**small, "if-none-match": whole.headers["etag"]}).status_code == 304


class Away:
    """Encoder that can be away."""

    def __init__(self, encoder: Any) -> None:
        self.identity, self._encoder, self.away, self.asked = encoder.identity, encoder, False, 0
        self.embed_passages = encoder.embed_passages

    async def embed_queries(self, texts: Any, input_type: Any) -> Any:
        self.asked += 1
        if self.away:
            raise EncoderUnavailable("The encoder is away.")
        return await self._encoder.embed_queries(texts, input_type)


def test_a_full_answer_holds_while_the_encoder_is_away_and_another_has_no_tag(corpus: Any) -> None:
    encoder = Away(corpus.encoder)
    with client_of(corpus.data, encoder, watch_seconds=30) as client:
        tag = tag_of(client, TAGGED[0])
        encoder.away, encoder.asked = True, 0
        assert client.get(TAGGED[0], headers={"if-none-match": tag}).status_code == 304
        assert encoder.asked == 0
        for given in ("*", '"other"'):
            degraded = client.get(TAGGED[0], headers={"if-none-match": given})
            assert degraded.status_code == 200
            assert "away" in degraded.json()["degraded"]
            assert "etag" not in degraded.headers
            assert degraded.headers["cache-control"] == "no-store"


def test_the_rate_limit_and_the_check_of_parameters_come_first(corpus: Any) -> None:
    with client_of(corpus.data, corpus.encoder, rate_limit=0.001, rate_burst=3) as client:
        known = {"if-none-match": tag_of(client, TAGGED[0])}
        assert client.get(TAGGED[0] + "&nothing=1", headers=known).status_code == 400
        assert client.get(TAGGED[0], headers=known).status_code == 304
        assert client.get(TAGGED[0], headers=known).status_code == 429


def test_another_snapshot_has_other_tags(tmp_path: Path, kit: Any) -> None:
    papers: list[Paper] = kit.papers(60)
    tags = []
    for part in (papers, papers[:50]):
        data = tmp_path / str(len(part))
        encoder = kit.Encoder()
        kit.build(part, encoder, data)
        with client_of(data, encoder) as client:
            tags.append([tag_of(client, each) for each in TAGGED])
    assert not set(tags[0]) & set(tags[1])
