"""The index on a GPU: tested with a clone in main memory, and on a GPU where there is one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import pytest

from retrieval_service.adapters.faiss_gpu import MOST_SELECTED, GpuIndex, GpuOptions, NoGpu, add_stored, clone_to_gpu
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.ports import RowSet
from tests.integration.service import client_of

TOTAL, DIM = 4000, 32
GPUS = faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0


def unit(count: int, seed: int) -> Any:
    vectors = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def made(factory: str, **how: Any) -> FaissIndex:
    index = faiss.index_factory(DIM, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(unit(TOTAL, 1))
    index.add(unit(TOTAL, 1))
    return FaissIndex(index, **how)


@pytest.fixture
def main() -> FaissIndex:
    return made("SQfp16")


@pytest.fixture
def index(main: FaissIndex) -> Iterator[GpuIndex]:
    flat = faiss.IndexFlatIP(DIM)
    add_stored(flat, main)
    index = GpuIndex(main, flat, lists=False)
    yield index
    index.close()


def test_the_clone_answers_as_the_index_does(main: FaissIndex, index: GpuIndex) -> None:
    assert (index.dim, len(index)) == (DIM, TOTAL)
    for query in unit(20, 2):
        ours, theirs = index.search(query, 15), main.search(query, 15)
        assert ours.rows.tolist() == theirs.rows.tolist()
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
    np.testing.assert_array_equal(index.vectors([3, 5]), main.vectors([3, 5]))


def test_filters_and_searches_beyond_a_gpus_limits_go_to_main_memory(index: GpuIndex) -> None:
    query = unit(1, 3)[0]
    mask = np.arange(TOTAL) % 7 == 0
    within = RowSet(mask, int(mask.sum()))
    index._worker.close()  # a search on the GPU would raise an error from here on
    assert not set(index.search(query, 10, within=within).rows.tolist()) & set(np.flatnonzero(~mask).tolist())
    assert len(index.search(query, MOST_SELECTED + 1).rows) == MOST_SELECTED + 1
    assert index.status is None


def test_each_request_has_its_own_nprobe() -> None:
    main = made("IVF32,Flat", nprobe=2)
    index = GpuIndex(main, faiss.clone_index(main.index), lists=True)
    for query in unit(10, 4):
        for nprobe in (None, 1, 32, 1024):
            assert (
                index.search(query, 10, nprobe=nprobe).rows.tolist()
                == main.search(query, 10, nprobe=nprobe).rows.tolist()
            )
    index.close()


def test_after_a_failure_the_gpu_is_not_used_and_the_status_says_why(
    main: FaissIndex, index: GpuIndex, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def search(self, *_: Any) -> None:
            raise RuntimeError("CUDA error 2 out of memory\n  at some line")

    index._clone = Broken()
    query = unit(1, 5)[0]
    with caplog.at_level(logging.ERROR):
        assert index.search(query, 5).rows.tolist() == main.search(query, 5).rows.tolist()
    assert "out of memory" in caplog.text
    assert index.status == "CUDA error 2 out of memory"
    assert index.search(query, 5).rows.tolist() == main.search(query, 5).rows.tolist()


@pytest.mark.skipif(GPUS > 0, reason="there is a GPU here")
def test_without_a_gpu_the_service_serves_and_reports_it(corpus: Any, main: FaissIndex) -> None:
    with pytest.raises(NoGpu, match=r"(?i)gpu"):
        clone_to_gpu(main, GpuOptions(every=False, float16=True))
    with client_of(corpus.data, corpus.encoder, search_threads=1, vector_device="gpu") as client:
        assert client.post("/search", json={"query": corpus.papers[0].title, "mode": "dense"}).json()["results"]
        snapshot = client.get("/health/ready").json()["components"]["snapshot"]
        assert "gpu" in snapshot["without_gpu"].lower()


@pytest.mark.gpu
@pytest.mark.skipif(GPUS < 1, reason="no NVIDIA GPU, or a FAISS built for CPUs (the extra `cpu`)")
@pytest.mark.parametrize("factory", ["SQfp16", "IVF32,Flat", "IVF32,SQ8", "IVF32,RaBitQ,Refine(SQ8)", "HNSW16,SQ8"])
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("float16", [False, True])
def test_on_a_gpu(factory: str, every: bool, float16: bool) -> None:
    main = made(factory, nprobe=32, k_factor=8.0)
    index = clone_to_gpu(main, GpuOptions(every, float16))
    shares = []
    for query in unit(50, 6):
        ours, theirs = index.search(query, 10).rows.tolist(), np.argsort(-(unit(TOTAL, 1) @ query))[:10].tolist()
        shares.append(len(set(ours) & set(theirs)) / 10)
    assert np.mean(shares) >= 0.95
    index.close()
