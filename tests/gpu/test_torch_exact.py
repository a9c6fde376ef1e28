"""Hold exact search with torch to what the vector port promises; on a GPU where there is one, else on the CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed here; `make gpu-check` runs these tests")

from retrieval_service.adapters import gpu_index  # noqa: E402
from retrieval_service.adapters.gpu_index import GpuIndex  # noqa: E402
from retrieval_service.adapters.torch_exact import TorchExactIndex  # noqa: E402
from retrieval_service.ports import Hits, RowSet  # noqa: E402

pytestmark = pytest.mark.gpu
DEVICE = os.environ.get("AKIN_GPU_CHECK_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
TOTAL, DIM = 3000, 64


def unit(count: int, seed: int) -> Any:
    vectors = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


STORED = unit(TOTAL, 1).astype(np.float16).astype(np.float32)


@pytest.fixture(scope="module", params=[None, 700], ids=["at once", "in slices"])
def index(request: pytest.FixtureRequest) -> Iterator[TorchExactIndex]:
    matrix = torch.from_numpy(STORED).to(DEVICE, torch.float16)
    index = TorchExactIndex(matrix, slice_rows=request.param)
    yield index
    index.close()


def nearest(query: Any, k: int, mask: Any = None) -> list[int]:
    scores = STORED @ query
    if mask is not None:
        scores[~mask] = -np.inf
    return np.lexsort((np.arange(TOTAL), -scores))[:k].tolist()


def test_sizes_and_stored_vectors(index: TorchExactIndex) -> None:
    assert (index.dim, len(index), index.status) == (DIM, TOTAL, None)
    np.testing.assert_array_equal(index.vectors([5, 3, 2999]), STORED[[5, 3, 2999]])


def test_the_nearest_are_those_of_a_comparison_with_all(index: TorchExactIndex) -> None:
    for query in unit(20, 2):
        hits = index.search(query, 15)
        assert hits.rows.tolist() == nearest(query, 15)
        np.testing.assert_allclose(hits.scores, STORED[hits.rows] @ query, atol=1e-6)
        assert hits.rows.dtype == np.int64
        assert hits.scores.dtype == np.float32


def test_a_batch_answers_as_single_searches_do(index: TorchExactIndex) -> None:
    queries = unit(40, 3)
    scores, rows = index.search_batch(queries, 10)
    assert scores.shape == (40, 10)
    assert rows.tolist() == [nearest(query, 10) for query in queries]


@pytest.mark.parametrize("share", [2, 7, 1000])
def test_only_admitted_rows_are_found(index: TorchExactIndex, share: int) -> None:
    mask = np.arange(TOTAL) % share == 1
    within = RowSet(mask, int(mask.sum()))
    for query in unit(5, 4):
        assert index.search(query, 10, within=within).rows.tolist() == nearest(query, min(10, within.count), mask)


def test_one_filter_is_not_used_for_another(index: TorchExactIndex) -> None:
    query = unit(1, 5)[0]
    for start in (0, 1000, 2000):
        mask = np.zeros(TOTAL, bool)
        mask[start : start + 1000] = True
        assert index.search(query, 5, within=RowSet(mask, 1000)).rows.tolist() == nearest(query, 5, mask)


def test_at_most_the_admitted_rows_are_returned(index: TorchExactIndex) -> None:
    query = unit(1, 6)[0]
    assert sorted(index.search(query, TOTAL + 5).rows.tolist()) == list(range(TOTAL))
    assert len(index.search(query, 0).rows) == 0
    assert len(index.search(query, 5, within=RowSet(np.zeros(TOTAL, bool), 0)).rows) == 0
    everything = RowSet(np.ones(TOTAL, bool), TOTAL)
    assert index.search(query, 5, within=everything).rows.tolist() == nearest(query, 5)


def test_equal_scores_are_in_the_order_of_rows() -> None:
    stored = np.concatenate([np.repeat(unit(1, 7), 6, axis=0), unit(20, 8)])
    index = TorchExactIndex(torch.from_numpy(stored).to(DEVICE, torch.float16))
    assert index.search(unit(1, 7)[0], 6).rows.tolist() == [0, 1, 2, 3, 4, 5]
    index.close()


class InMemory:
    """Stands for the index in main memory."""

    dim, place = DIM, "main memory"

    def __len__(self) -> int:
        return TOTAL

    def vectors(self, rows: Any) -> Any:
        return STORED[rows]

    def bounds(self, vector: Any) -> tuple[float, float]:
        return 0.25, 1.0

    def search(self, vector: Any, k: int, *, within: Any = None, nprobe: int | None = None) -> Hits:
        rows = np.asarray(nearest(vector, k, None if within is None else within.mask), np.int64)
        return Hits(rows, (STORED @ vector)[rows].astype(np.float32), self.bounds(vector))


def test_it_serves_over_the_index_in_main_memory_and_after_a_failure_that_one_does() -> None:
    exact = TorchExactIndex.of(InMemory(), DEVICE, place="the GPU")
    index = GpuIndex(InMemory(), exact)
    mask = np.arange(TOTAL) % 3 == 1
    within = RowSet(mask, int(mask.sum()))
    query = unit(1, 10)[0]
    assert (index.place, index.search(query, 5).bounds) == ("the GPU", (0.25, 1.0))
    for k in (5, TOTAL + 1):
        assert index.search(query, k).rows.tolist() == nearest(query, min(k, TOTAL))
        assert index.search(query, k, within=within).rows.tolist() == nearest(query, min(k, within.count), mask)

    def fails(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    exact.search_batch = fails
    assert index.search(query, 5).rows.tolist() == nearest(query, 5)
    assert (index.place, index.status) == ("main memory", "CUDA out of memory. Tried to allocate 2.00 GiB.")
    index.close()


def test_a_corpus_is_copied_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_index, "_PART", 700)
    index = TorchExactIndex.of(InMemory(), DEVICE)
    np.testing.assert_array_equal(index.vectors(range(TOTAL)), STORED)
    index.close()


def test_many_threads_get_their_own_answers(index: TorchExactIndex) -> None:
    queries = unit(60, 9)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda query: index.search(query, 8).rows.tolist(), queries))
    assert found == [nearest(query, 8) for query in queries]
