"""Test feedback at the service: off by default, checked against what was shown, bounded, and compared by sides."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from akin.edge.listening import listen
from akin.feedback.records import MarkedSearch
from akin.feedback.store import FeedbackStore
from retrieval_service.app import create_app
from retrieval_service.feedback import keeping
from retrieval_service.settings import Settings
from tests.integration.generated import Corpus, HashEncoder, OneEncoder
from tests.integration.service import client_of


def stored(folder: Path) -> list[MarkedSearch]:
    return list(FeedbackStore(folder, days=365, most_bytes=1_000_000).read())


@pytest.fixture
def client(corpus: Corpus, tmp_path: Path) -> Iterator[TestClient]:
    with client_of(corpus.data, corpus.encoder, search_threads=2, feedback=str(tmp_path / "kept")) as client:
        yield client


def search(client: TestClient, **asked: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json={"query": "some words", "feedback": True, "k": 5, **asked})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def send(client: TestClient, **body: Any) -> tuple[int, Any]:
    answer = client.post("/v1/feedback", json=body)
    return answer.status_code, answer.json().get("error", answer.json())


def test_nothing_is_offered_or_stored_unless_it_is_turned_on(corpus: Corpus, tmp_path: Path) -> None:
    before = sorted(corpus.data.iterdir())
    with client_of(corpus.data, corpus.encoder, search_threads=2) as client:
        found = search(client)
        assert "feedback" not in found
        status, error = send(client, search="x", paper=found["results"][0]["id"], rank=1, useful=True)
        assert (status, error["code"]) == (404, "feedback_off")
        assert "AKIN_FEEDBACK" in error["message"]
    assert sorted(corpus.data.iterdir()) == before


def test_what_a_reader_says_is_stored_with_what_was_shown(client: TestClient, corpus: Corpus, tmp_path: Path) -> None:
    found = search(client, categories="cs", highlight=True, facets=True, **{"from": "2001"})
    offer = found["feedback"]
    assert (offer["days"], offer["opened"]) == (180, False)
    assert stored(tmp_path / "kept") == []  # a search alone leaves nothing
    second = found["results"][1]["id"]
    status, answer = send(
        client, search=offer["search"], paper=f"arXiv:{second}v1", rank=2, useful=False, comment=" no\n"
    )
    assert (status, answer) == (
        200,
        {"search": offer["search"], "paper": second, "rank": 2, "useful": False, "opened": False},
    )
    [kept] = stored(tmp_path / "kept")
    assert kept.search.parameters == {
        "query": "some words", "k": 5, "categories": ["cs"], "from": "2001-01-01",
    }  # fmt: skip
    assert kept.search.shown == [result["id"] for result in found["results"]]
    assert (kept.search.mode, kept.search.words, kept.search.teams) == ("hybrid", "some words", None)
    assert kept.search.encoder.digest == corpus.encoder.identity.digest
    assert kept.search.encoder.snapshot == corpus.manifest.id
    [mark] = kept.marks
    assert (mark.paper, mark.rank, mark.useful, mark.comment) == (second, 2, False, "no")
    content = (tmp_path / "kept" / "feedback.sqlite").read_bytes()
    assert b"testclient" not in content  # neither address nor browser
    assert send(client, search=offer["search"], paper=second, rank=2, withdraw=True)[0] == 200
    assert stored(tmp_path / "kept") == []


def test_an_answer_without_the_parameter_has_no_offer_and_the_same_results(client: TestClient) -> None:
    plain = client.post("/search", json={"query": "some words", "k": 5})
    assert "feedback" not in plain.json()
    assert plain.json()["results"] == search(client)["results"]
    assert client.get("/search?q=some+words&feedback=true").headers["cache-control"] == "no-store"
    assert "etag" in client.get("/search?q=some+words").headers


def test_without_an_id_the_search_is_done_again(client: TestClient, tmp_path: Path) -> None:
    asked = {"query": "some words", "k": 3, "offset": 4}
    third = client.post("/search", json=asked).json()["results"][2]["id"]
    status, answer = send(client, request=asked, paper=third, rank=7, useful=True)
    assert status == 200
    [kept] = stored(tmp_path / "kept")
    assert (kept.search.id, kept.search.offset, kept.marks[0].rank) == (answer["search"], 4, 7)
    # The id that was answered can be used further.
    assert send(client, search=answer["search"], paper=third, rank=7, withdraw=True)[0] == 200
    assert send(client, request=asked, paper=third, rank=3, useful=True)[1]["detail"] == {
        "parameter": "rank",
        "rank": 7,
    }


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"paper": "2001.99999"}, 404, "unknown_paper", "did not show the paper '2001.99999'"),
        ({"paper": "<b>\u202e" * 60}, 404, "unknown_paper", "did not show"),
        ({"rank": 2}, 400, "invalid_parameter", "at rank 1, not 2"),
        ({"rank": 0}, 400, "invalid_parameter", "rank must"),
        ({"rank": True}, 400, "invalid_parameter", "must be a number"),
        ({"search": "unknown"}, 404, "unknown_search", "not known any more"),
        ({"search": None}, 400, "invalid_parameter", "either search or request"),
        ({"search": None, "request": None}, 400, "invalid_parameter", "either search or request"),
        ({"request": {"query": "x"}}, 400, "invalid_parameter", "either search or request"),
        ({"search": None, "request": {"query": "x", "kk": 1}}, 400, "invalid_parameter", "no parameter 'kk'"),
        ({"search": None, "request": "words"}, 400, "invalid_parameter", "must be an object"),
        ({"useful": None}, 400, "invalid_parameter", "one of useful, opened and withdraw"),
        ({"withdraw": True}, 400, "invalid_parameter", "one of useful, opened and withdraw"),
        ({"useful": None, "opened": True}, 404, "feedback_off", "AKIN_FEEDBACK_OPENED"),
        ({"comment": "x" * 501}, 400, "invalid_parameter", "comment"),
        ({"useful": "perhaps"}, 400, "invalid_parameter", "useful"),
        ({"address": "10.0.0.1"}, 400, "invalid_parameter", "no parameter 'address'"),
    ],
)
def test_feedback_that_cannot_be_right_is_refused_in_words(
    client: TestClient, tmp_path: Path, body: dict[str, Any], status: int, code: str, words: str
) -> None:
    found = search(client)
    right = {
        "search": found["feedback"]["search"], "paper": found["results"][0]["id"], "rank": 1, "useful": True,
    }  # fmt: skip
    answered, error = send(client, **{**right, **body})
    assert (answered, error["code"]) == (status, code), error
    assert words in error["message"]
    assert stored(tmp_path / "kept") == []


def test_a_large_body_and_one_that_is_no_json_are_refused(client: TestClient) -> None:
    json = {"content-type": "application/json"}
    assert client.post("/feedback", content=b"x" * 10_000_000, headers=json).status_code == 413
    assert client.post("/feedback", content=b"{", headers=json).status_code == 400
    assert client.post("/feedback", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert client.get("/feedback").status_code == 405


def test_a_flood_is_refused_and_the_longest_query_is_stored(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "AT_ONCE", 5)
    with client_of(corpus.data, corpus.encoder, search_threads=2, feedback=str(tmp_path / "kept")) as client:
        monkeypatch.setattr(keeping, "PER_SECOND", 0.1)
        found = search(client, query="語" * 20_000)
        right = {"search": found["feedback"]["search"], "paper": found["results"][0]["id"], "rank": 1}
        answers = [client.post("/feedback", json={**right, "useful": n % 2 == 0}) for n in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    assert answers[5].json()["error"]["code"] == "rate_limited"
    assert int(answers[5].headers["retry-after"]) >= 1
    [kept] = stored(tmp_path / "kept")
    assert [mark.useful for mark in kept.marks] == [True]  # the same result again replaces what was there
    assert kept.search.parameters["query"] == "語" * 20_000


def test_a_full_disk_is_said_and_searches_go_on(corpus: Corpus, tmp_path: Path, monkeypatch: Any, caplog: Any) -> None:
    (tmp_path / "file").write_text("")
    with client_of(corpus.data, corpus.encoder, search_threads=2, feedback=str(tmp_path / "file" / "x")) as client:
        found = search(client)
        right = {"search": found["feedback"]["search"], "paper": found["results"][0]["id"], "rank": 1, "useful": True}
        status, error = send(client, **right)
        assert (status, error["code"]) == (503, "feedback_unavailable")
        assert str(tmp_path) not in error["message"]
        monkeypatch.setattr("akin.feedback.store._PAGE", 10_000)  # the limit is less then
    with client_of(corpus.data, corpus.encoder, feedback=str(tmp_path / "y"), feedback_megabytes=1) as client:
        codes = set()
        for number in range(8):
            found = search(client, query=f"{number} " + "語" * 19_000)
            right = {"search": found["feedback"]["search"], "paper": found["results"][0]["id"], "rank": 1}
            codes.add(send(client, **right, useful=True)[0])
        assert codes == {200, 507}
        assert sum("has no room" in record.message for record in caplog.records) == 1
        assert search(client)["results"]


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application at an address of this machine."""
    with listen("127.0.0.1", 0, "") as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
        thread = threading.Thread(target=asyncio.run, args=(server.serve([listener]),))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


class BackwardsEncoder(HashEncoder):
    """Encoder that reads texts without their first three words, so that it ranks otherwise."""

    def _embed(self, texts: Any, input_type: Any) -> Any:
        return super()._embed([" ".join(text.split()[3:]) or text for text in texts], input_type)


@pytest.fixture(scope="module")
def candidate(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tests.integration.generated import build

    data, encoder = tmp_path_factory.mktemp("candidate"), BackwardsEncoder("other")
    build(corpus.papers, encoder, data)
    with served(create_app(Settings(data=data, search_threads=1), OneEncoder(encoder))) as address:
        yield address


def test_two_encoders_are_interleaved_and_their_sides_are_kept_secret(
    corpus: Corpus, candidate: str, tmp_path: Path
) -> None:
    query = " ".join(corpus.papers[3].abstract.split()[:8])
    asked = {"query": query, "k": 8, "mode": "dense"}
    other = httpx.post(f"{candidate}/search", json=asked, trust_env=False).json()
    options = {"feedback": str(tmp_path), "interleave": candidate, "interleave_share": 1.0, "interleave_seconds": 20}
    with client_of(corpus.data, corpus.encoder, search_threads=2, **options) as client:
        own = client.post("/search", json=asked).json()
        names = [[result["id"] for result in each["results"]] for each in (own, other)]
        assert names[0] != names[1]
        pages = [search(client, **asked) for _ in range(6)]
        for page in pages:
            assert len(page["results"]) == 8
            assert {each["id"] for each in page["results"]} <= {*names[0], *names[1]}
            assert not any("team" in key or "candidate" in key for key in str(page).replace("'", " ").split())
        assert len({tuple(each["id"] for each in page["results"]) for page in pages}) > 1
        send(client, search=pages[0]["feedback"]["search"], paper=pages[0]["results"][0]["id"], rank=1, useful=True)
        [kept] = stored(tmp_path)
        assert kept.search.candidate is not None
        assert kept.search.candidate.digest == other["encoder"]["digest"] != kept.search.encoder.digest
        assert set(kept.search.teams or ()) >= {"serving", "candidate"}
        for paper, side in zip(kept.search.shown, kept.search.teams or (), strict=True):
            assert side is None or paper in names[side == "candidate"]
        # Later pages, words alone, another order and requests without a reader are never interleaved.
        for more in ({"offset": 8}, {"mode": "lexical"}, {"sort": "newest"}, {"diversity": 0.5}, {"feedback": False}):
            plain = client.post("/search", json={**asked, **more, "feedback": False}).json()["results"]
            assert client.post("/search", json={**asked, "feedback": True, **more}).json()["results"] == plain


def test_without_the_second_service_the_answer_is_the_plain_one(corpus: Corpus, tmp_path: Path) -> None:
    options = {"feedback": str(tmp_path), "interleave": "http://127.0.0.1:9", "interleave_share": 1.0}
    with client_of(corpus.data, corpus.encoder, search_threads=2, **options) as client:
        found = search(client)
        assert found["results"] == client.post("/search", json={"query": "some words", "k": 5}).json()["results"]
        send(client, search=found["feedback"]["search"], paper=found["results"][0]["id"], rank=1, useful=True)
        assert stored(tmp_path)[0].search.teams is None


def test_a_second_service_with_the_same_encoder_or_other_papers_is_not_compared(
    corpus: Corpus, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.integration.generated import build

    data, encoder = tmp_path_factory.mktemp("fewer"), HashEncoder("fewer")
    build(corpus.papers[:400], encoder, data)
    same = create_app(Settings(data=corpus.data, search_threads=1), OneEncoder(corpus.encoder))
    fewer = create_app(Settings(data=data, search_threads=1), OneEncoder(encoder))
    for app in (same, fewer):
        with served(app) as address:
            options = {"feedback": str(tmp_path), "interleave": address, "interleave_share": 1.0}
            with client_of(corpus.data, corpus.encoder, search_threads=2, **options, interleave_seconds=20) as client:
                found = search(client)
                plain = client.post("/search", json={"query": "some words", "k": 5}).json()
                assert found["results"] == plain["results"]
