"""Times of searches belong to the number of results that was reranked."""

from __future__ import annotations

import time
from typing import Any

import pytest

from benchmarks.reranking import measure


def answer(body: dict[str, Any], **more: Any) -> dict[str, Any]:
    time.sleep(0.001 * body["rerank"])
    return {"results": [{}], "reranked": body["rerank"], "degraded": None, "notes": [], **more}


def test_each_number_of_results_has_its_own_times() -> None:
    asked = []

    def send(body: dict[str, Any]) -> dict[str, Any]:
        asked.append((body["query"], body["rerank"]))
        return answer(body)

    rows = measure(send, [f"q{number}" for number in range(8)], [0, 6], rounds=2)
    assert [(row.system, row.metric) for row in rows] == [
        ("rerank=0", "p50"), ("rerank=0", "p95"), ("rerank=6", "p50"), ("rerank=6", "p95"),
    ]  # fmt: skip
    assert rows[0].value < rows[2].value <= rows[3].value
    assert rows[2].value > 5.9
    assert asked[:4] == [("q0", 0), ("q0", 6), ("q1", 0), ("q1", 6)]
    assert len(asked) == 2 * 2 * 8


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"degraded": "The reranker is too slow."}, "The reranker is too slow."),
        ({"reranked": 0, "notes": ["rerank: there is no reranker here."]}, "there is no reranker here"),
    ],
)
def test_a_search_that_is_not_reranked_is_no_measurement(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(SystemExit, match=f"rerank=6 cannot be measured: .*{reason}"):
        measure(lambda body: answer(body, **more), ["q"], [6], rounds=1)
