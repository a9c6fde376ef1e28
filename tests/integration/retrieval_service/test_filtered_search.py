"""Filtered searches of real FAISS indexes, compared with an exact search of every admitted vector."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import pytest

from retrieval_service.adapters import faiss_nprobe
from retrieval_service.adapters.faiss_index import FaissIndex, one_thread
from retrieval_service.ports import RowSet

TOTAL, DIM, K = 20_000, 64, 10
SHARES = (0.0001, 0.001, 0.01, 0.1, 0.5)
RECIPES = {
    "exact": ("SQfp16", None),
    "refined lists": ("IVF64,RaBitQ,Refine(SQ8)", 12),
    "packed lists": ("IVF64,PQ32x4fs,Refine(SQ8)", 12),
    "lists": ("IVF64,SQ8", 12),
    "graph": ("HNSW16,SQ8", 64),
}


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def world() -> Any:
    """Return vectors around topics, as vectors of texts are, and queries of all topics."""
    dice = np.random.default_rng(4)
    topics = unit(dice.standard_normal((40, DIM)))

    def around(count: int) -> Any:
        return unit(topics[dice.integers(40, size=count)] + 0.9 * unit(dice.standard_normal((count, DIM))))

    return around(TOTAL).astype(np.float32), around(25).astype(np.float32), dice


@pytest.fixture(scope="module", params=RECIPES)
def index(request: pytest.FixtureRequest, world: Any) -> FaissIndex:
    factory, nprobe = RECIPES[request.param]
    made = faiss.index_factory(DIM, factory, faiss.METRIC_INNER_PRODUCT)
    with one_thread():
        made.train(world[0])
    made.add(world[0])
    if isinstance(made, faiss.IndexIVF):
        made.make_direct_map()
    return FaissIndex(made, nprobe=nprobe, k_factor=8.0)


def filters(vectors: Any, dice: Any) -> dict[str, RowSet]:
    """Return random rows, and rows of one topic, which differs from that of most queries."""
    found = {}
    for share in SHARES:
        count = max(2, round(share * TOTAL))
        at_random = np.zeros(TOTAL, bool)
        at_random[dice.choice(TOTAL, count, replace=False)] = True
        topic = np.zeros(TOTAL, bool)
        topic[np.argsort(-(vectors @ vectors[17]))[:count]] = True
        found |= {f"random {share}": RowSet(at_random, count), f"topic {share}": RowSet(topic, count)}
    return found


def recall(index: FaissIndex, vectors: Any, queries: Any, within: RowSet) -> float:
    rows = np.flatnonzero(within.mask)
    shares = []
    for query in queries:
        best = set(rows[np.argsort(-(vectors[rows] @ query))[:K]].tolist())
        hits = index.search(query, 50, within=within)
        assert set(hits.rows.tolist()) <= set(rows.tolist())
        assert len(hits.rows) == len(set(hits.rows.tolist()))
        assert np.all(np.diff(hits.scores) <= 0)
        shares.append(len(best & set(hits.rows[:K].tolist())) / len(best))
    return float(np.mean(shares))


def test_recall_within_filters(index: FaissIndex, world: Any) -> None:
    vectors, queries, dice = world
    for name, within in filters(vectors, dice).items():
        assert recall(index, vectors, queries, within) >= 0.95, name


def test_recall_of_lists_alone(index: FaissIndex, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the lists alone: in a corpus a hundred times larger, comparing all vectors would take too long."""
    if index.nprobe_rule.nlist is None:
        pytest.skip("an index without lists compares every admitted vector")
    monkeypatch.setattr(faiss_nprobe, "exact_is_cheaper", lambda *_: False)
    vectors, queries, dice = world
    assert recall(index, vectors, queries, RowSet(np.ones(TOTAL, bool), TOTAL)) >= 0.9
    for name, within in filters(vectors, dice).items():
        assert recall(index, vectors, queries, within) >= 0.94, name


def test_more_lists_are_searched_for_a_filter_far_from_the_query(index: FaissIndex, world: Any) -> None:
    if index.nprobe_rule.nlist is None:
        pytest.skip("an index without lists has none to count")
    vectors, _, dice = world
    half = filters(vectors, dice)["topic 0.5"]
    near, far = vectors[17], -vectors[17]
    rule = index.nprobe_rule
    assert rule.choose_nprobe(near, half)[0] < rule.choose_nprobe(far, half)[0] <= rule.nlist
    everything = RowSet(np.ones(TOTAL, bool), TOTAL)
    assert rule.choose_nprobe(near, everything)[0] >= rule.nprobe()


def test_a_requested_nprobe_is_used(index: FaissIndex, world: Any) -> None:
    vectors, queries, dice = world
    within = filters(vectors, dice)["topic 0.5"]
    few, many = (index.search(queries[0], 50, within=within, nprobe=nprobe) for nprobe in (1, 64))
    assert set(few.rows.tolist()) | set(many.rows.tolist()) <= set(np.flatnonzero(within.mask).tolist())
    assert len(index.search(queries[0], 5, within=RowSet(np.zeros(TOTAL, bool), 0)).rows) == 0
