from __future__ import annotations

import json
from collections import Counter

import pytest

from akin.papers import Paper
from loadtests.mixed import KINDS, MixedRequest, MixedTraffic, failure_of
from loadtests.queries import QuerySource
from loadtests.service import Target

TARGET = Target("http://127.0.0.1:1", 400, "sample", "s", 1, {"cs.LG": "Learning", "hep-th": "Theory"}, (1999, 2024))


def traffic(*, page: bool = True) -> MixedTraffic:
    papers = [Paper(f"{n}", f"Title {n} of many", f"Abstract {n} of all. It says {n} twice.") for n in range(400)]
    return MixedTraffic(QuerySource(papers), [paper.id for paper in papers], TARGET, seed=1, page=page)


def test_every_kind_is_sent_with_its_weight() -> None:
    made = traffic()
    seen = Counter(made.next().kind for _ in range(20_000))
    for kind, weight in KINDS.items():
        assert seen[kind] / 20_000 == pytest.approx(weight / sum(KINDS.values()), rel=0.3)
    assert len(KINDS) > 20


def test_requests_differ_and_have_what_their_kind_needs() -> None:
    made = traffic()
    requests = [made.next() for _ in range(3_000)]
    searches = [json.loads(each.body) for each in requests if each.path == "/search"]
    assert {each.get("mode") for each in searches} == {None, "dense", "lexical"}
    assert any("from" in each for each in searches)
    assert any(each.get("offset") for each in searches)
    assert len({json.dumps(each) for each in searches}) > 0.9 * len(searches)
    sessions = [json.loads(each.body)["session_hash"] for each in requests if each.search]
    assert len(sessions) == len(set(sessions)) > 50
    assert all(each.page for each in requests if each.kind.startswith("page"))
    assert not any(each.page for each in (traffic(page=False).next() for _ in range(500)))


@pytest.mark.parametrize(
    ("kind", "content", "wrong"),
    [
        ("tool", b'{"result":{"isError": true}}', "the tool answers with an error"),
        ("tool", b'{"result":{"isError":false}}', ""),
        ("several searches", b'{"answers":[{"status":200},{"status":503}]}', "one of several failed"),
        ("several searches", b'{"answers":[{"status":200}]}', ""),
        ("page, search", b'data: {"msg":"process_completed","success":false}', "the page's search failed"),
        ("page, search", b"", "the page's search failed"),
        ("page, search", b'data: {"msg":"process_completed","success":true}', ""),
        ("hybrid search", b'{"degraded":"no encoder"}', "degraded answer"),
    ],
)
def test_errors_inside_answers_with_status_200_count_as_failures(kind: str, content: bytes, wrong: str) -> None:
    request = MixedRequest(kind, "POST", "/", search=kind == "page, search")
    assert failure_of(request, 200, content) == wrong
    assert failure_of(request, 503, content).startswith("503")
