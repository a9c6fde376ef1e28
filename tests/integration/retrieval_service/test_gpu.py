"""The index on a GPU: tested with indexes in main memory in its place, and on a GPU where there is one."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import faiss
import numpy as np
import pytest

from akin.storage import gpu
from retrieval_service.adapters import faiss_gpu, torch_gpu
from retrieval_service.adapters.faiss_gpu import MOST_OF_GRAPH, MOST_SELECTED, FaissOnGpu, add_stored
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.gpu_index import GpuIndex, GpuOptions, NoGpu, put_on_gpu
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


def flat_parameters(_: int | None, selector: Any) -> Any:
    return faiss.SearchParameters(sel=selector)


class Ignores:
    """Stands for a GPU index of a FAISS without cuVS, which ignores filters."""

    def __init__(self, index: Any) -> None:
        self._index, self.d, self.ntotal = index, index.d, index.ntotal

    def search(self, vectors: Any, k: int, params: Any = None) -> Any:
        return self._index.search(vectors, k)


@pytest.fixture
def main() -> FaissIndex:
    return made("SQfp16")


def flat_of(main: FaissIndex) -> Any:
    flat = faiss.IndexFlatIP(DIM)
    add_stored(flat, main)
    return flat


@pytest.fixture
def index(main: FaissIndex) -> Iterator[GpuIndex]:
    index = GpuIndex(main, FaissOnGpu(flat_of(main), "stand-in"))
    yield index
    index.close()


@pytest.fixture
def in_main_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give FAISS what its GPU wheel has, in main memory, and this machine a driver."""

    def copied(index: Any, co: Any, gpus: list[int]) -> Any:
        assert gpus == [0]
        return faiss.clone_index(index)

    class Graph:
        """Stands for a graph on a GPU."""

        def __init__(self, resources: Any, dim: int, metric: int) -> None:
            self.d, self._graph = dim, faiss.IndexHNSWFlat(dim, 32, metric)

        def train(self, vectors: Any) -> None:
            self._graph.add(vectors)
            self.ntotal = self._graph.ntotal

        def search(self, vectors: Any, k: int, params: Any = None) -> Any:
            effort = faiss.SearchParametersHNSW(efSearch=512, sel=params.sel if params else None)
            return self._graph.search(vectors, k, params=effort)

    stand_ins = {
        "StandardGpuResources": SimpleNamespace, "GpuMultipleClonerOptions": SimpleNamespace,
        "get_num_gpus": lambda: 1, "index_cpu_to_gpus_list": copied, "GpuIndexCagra": Graph,
        "SearchParametersCagra": SimpleNamespace,
    }  # fmt: skip
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(faiss, name, stand_in, raising=False)
    monkeypatch.setattr(gpu, "driver_version", lambda: "580.65.06")


def test_the_clone_answers_as_the_index_does(main: FaissIndex, index: GpuIndex) -> None:
    assert (index.dim, len(index), index.place) == (DIM, TOTAL, "stand-in")
    for query in unit(20, 2):
        ours, theirs = index.search(query, 15), main.search(query, 15)
        assert ours.rows.tolist() == theirs.rows.tolist()
        assert ours.bounds == theirs.bounds
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
    np.testing.assert_array_equal(index.vectors([3, 5]), main.vectors([3, 5]))


@pytest.mark.parametrize("applies", [True, False])
def test_a_filter_is_applied_on_the_gpu_or_in_main_memory(main: FaissIndex, applies: bool) -> None:
    flat = flat_of(main)
    fast = FaissOnGpu(flat if applies else Ignores(flat), "stand-in", parameters=flat_parameters)
    assert fast.filters is applies
    index = GpuIndex(main, fast)
    for share in (2, 7, 1000):
        mask = np.arange(TOTAL) % share == 0
        within = RowSet(mask, int(mask.sum()))
        query = unit(1, share)[0]
        assert fast.can_answer(10, within, None) is applies
        assert (
            index.search(query, 10, within=within).rows.tolist() == main.search(query, 10, within=within).rows.tolist()
        )
    index.close()


def test_searches_beyond_a_gpus_limits_go_to_main_memory(index: GpuIndex) -> None:
    index._fast.close()  # a search on the GPU would raise an error from here on
    assert len(index.search(unit(1, 3)[0], MOST_SELECTED + 1).rows) == MOST_SELECTED + 1
    assert index.status is None


def test_each_request_has_its_own_nprobe(in_main_memory: None) -> None:
    main = made("IVF32,Flat", nprobe=2)
    index = put_on_gpu(main, GpuOptions(kind="lists"))
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

    index._fast._clone = Broken()  # type: ignore[attr-defined]
    query = unit(1, 5)[0]
    with caplog.at_level(logging.ERROR):
        assert index.search(query, 5).rows.tolist() == main.search(query, 5).rows.tolist()
    assert "out of memory" in caplog.text
    assert index.status == "CUDA error 2 out of memory"
    assert index.place == "FAISS in main memory"
    assert index.search(query, 5).rows.tolist() == main.search(query, 5).rows.tolist()


# --- how the GPU searches is chosen ---


@pytest.mark.parametrize(
    ("factory", "kind", "words"),
    [
        ("SQfp16", "faiss", "exact, half precision, FAISS on the first GPU"),
        ("IVF32,SQfp16", "lists", "inverted lists, FAISS on the first GPU"),
        ("SQfp16", "cagra", "graph (CAGRA), FAISS on the first GPU"),
    ],
)
def test_each_way_of_faiss_finds_the_nearest_with_and_without_a_filter(
    in_main_memory: None, factory: str, kind: str, words: str
) -> None:
    main = made(factory, nprobe=32)
    index = put_on_gpu(main, GpuOptions(kind=kind))
    assert index.place == words
    mask = np.arange(TOTAL) % 3 == 0
    within = RowSet(mask, int(mask.sum()))
    shares = []
    for query in unit(20, 6):
        for admitted in (None, within):
            found = index.search(query, 10, within=admitted).rows.tolist()
            scores = np.where(mask, unit(TOTAL, 1) @ query, -1) if admitted else unit(TOTAL, 1) @ query
            shares.append(len(set(found) & set(np.argsort(-scores)[:10].tolist())) / 10)
            assert admitted is None or mask[found].all()
    assert np.mean(shares) >= 0.95
    assert len(index.search(query, MOST_OF_GRAPH + 1).rows) == MOST_OF_GRAPH + 1
    assert index.status is None
    index.close()


@pytest.mark.usefixtures("in_main_memory")
def test_auto_takes_what_is_possible_first(main: FaissIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_gpu, "find_spec", lambda name: None)
    first = put_on_gpu(main, GpuOptions())
    assert first.place == "exact, half precision, FAISS on the first GPU"
    first.close()

    def full(*_: Any) -> Any:
        raise NoGpu("the GPU is full")

    monkeypatch.setattr(faiss_gpu, "put_all", full)
    lists = put_on_gpu(made("IVF32,SQfp16", nprobe=4), GpuOptions())
    assert lists.place == "inverted lists, FAISS on the first GPU"
    lists.close()
    with pytest.raises(NoGpu, match=r"torch is not installed.*; the GPU is full; .*\(IndexScalarQuantizer\).*tune"):
        put_on_gpu(main, GpuOptions())


class Torch(SimpleNamespace):
    """Stands for torch, with a GPU that has some memory free."""

    def __init__(self, cuda: str | None = "13.0", available: bool = True, free: float = 80) -> None:
        device = SimpleNamespace(is_available=lambda: available, mem_get_info=lambda: (int(free * 2**30), 80 * 2**30))
        super().__init__(version=SimpleNamespace(cuda=cuda), cuda=device)


LARGE = 2_500_000 * 384 * 2


@pytest.mark.parametrize(
    ("torch", "driver", "words"),
    [
        (Torch(), "550.54.14", "driver 550.54.14 is too old for torch's CUDA 13.0, which needs 580 or newer: update"),
        (Torch("12.8"), "520.61", "too old for torch's CUDA 12.8, which needs 525"),
        (Torch(None, False), "580.65", "torch is built for CPUs: install its build for CUDA"),
        (Torch(available=False), "580.65", "sees no GPU although driver 580.65 is loaded: check CUDA_VISIBLE_DEVICES"),
        (Torch(free=3), "580.65", r"needs 3\.8 GiB of GPU memory and 3\.0 GiB are free: end what else"),
    ],
)
def test_what_torch_cannot_use_is_said_in_one_line_with_the_next_step(torch: Any, driver: str, words: str) -> None:
    with pytest.raises(NoGpu, match=words) as told:
        torch_gpu.require_gpu(torch, LARGE, driver)
    assert "\n" not in str(told.value)


def test_a_large_corpus_fits_where_there_is_room() -> None:
    torch_gpu.require_gpu(Torch(free=4), LARGE, "580.65")
    broken = Torch()
    broken.cuda.mem_get_info = lambda: (_ for _ in ()).throw(RuntimeError("CUDA error: unknown error\nmore"))
    with pytest.raises(NoGpu, match=r"cannot use the GPU \(CUDA error: unknown error\)"):
        torch_gpu.require_gpu(broken, LARGE, "580.65")


def test_the_driver_is_asked_once_for_all_ways(main: FaissIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (None, "470.1"):
        driver = Mock(return_value=found)
        monkeypatch.setattr(gpu, "driver_version", driver)
        with pytest.raises(NoGpu):
            put_on_gpu(main, GpuOptions())
        driver.assert_called_once_with()


@pytest.mark.usefixtures("in_main_memory")
def test_an_index_that_faiss_cannot_copy_is_left_in_main_memory(
    main: FaissIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> Any:
        raise RuntimeError("Error in void* StandardGpuResourcesImpl::allocMemory at x.cpp:1: Error: 'out of memory'")

    monkeypatch.setattr(faiss, "index_cpu_to_gpus_list", refuses)
    with pytest.raises(NoGpu, match=r"could not be copied to the GPU .*: free its memory"):
        put_on_gpu(main, GpuOptions(kind="faiss"))
    monkeypatch.delattr(faiss, "GpuIndexCagra")
    monkeypatch.setattr(faiss_gpu, "_has_cuvs", lambda: False)
    with pytest.raises(NoGpu, match="install faiss-gpu-cuvs"):
        put_on_gpu(main, GpuOptions(kind="cagra"))
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    with pytest.raises(NoGpu, match=r"faiss-gpu sees no GPU although driver 580\.65\.06 is loaded"):
        put_on_gpu(main, GpuOptions(kind="faiss"))
    monkeypatch.setattr(gpu, "driver_version", lambda: "470.1")
    with pytest.raises(NoGpu, match=r"driver 470\.1 is too old for faiss-gpu's CUDA 12"):
        put_on_gpu(main, GpuOptions(kind="faiss"))
    monkeypatch.setattr(faiss_gpu, "_has_cuvs", lambda: True)
    monkeypatch.setattr(gpu, "driver_version", lambda: "550.54")
    with pytest.raises(NoGpu, match=r"driver 550\.54 is too old for faiss-gpu-cuvs's CUDA 13"):
        put_on_gpu(main, GpuOptions(kind="cagra"))


@pytest.mark.skipif(GPUS > 0, reason="there is a GPU here")
def test_the_installed_faiss_says_what_it_lacks(main: FaissIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "driver_version", lambda: "580.65")
    monkeypatch.setattr(torch_gpu, "find_spec", lambda name: None)
    with pytest.raises(NoGpu) as told:
        put_on_gpu(main, GpuOptions(kind="faiss"))
    if hasattr(faiss, "StandardGpuResources"):  # `make test-faiss-gpu`
        assert re.match(r"faiss-gpu\S* sees no GPU although driver 580\.65 is loaded: check CUDA_VIS", str(told.value))
    else:
        assert str(told.value) == "the installed FAISS is built for CPUs: install the extra `gpu` in place of `cpu`"
    with pytest.raises(NoGpu) as told:
        put_on_gpu(main, GpuOptions())
    assert str(told.value).startswith("torch is not installed: install its build for CUDA (pip install torch); ")
    assert "\n" not in str(told.value)


# --- the service without a GPU ---


@pytest.mark.skipif(GPUS > 0, reason="there is a GPU here")
@pytest.mark.parametrize("device", ["gpu", "auto"])
def test_without_a_gpu_the_service_serves_and_says_so_where_one_was_asked_for(corpus: Any, device: str) -> None:
    with client_of(corpus.data, corpus.encoder, search_threads=1, vector_device=device) as client:
        assert client.post("/search", json={"query": corpus.papers[0].title, "mode": "dense"}).json()["results"]
        snapshot = client.get("/health/ready").json()["components"]["snapshot"]
        assert snapshot["vectors"] == "FAISS in main memory"
        if device == "gpu":
            assert snapshot["without_gpu"] == gpu.NO_DRIVER
        else:
            assert "without_gpu" not in snapshot


@pytest.mark.usefixtures("in_main_memory")
def test_the_service_says_how_the_gpu_searches(corpus: Any, caplog: pytest.LogCaptureFixture) -> None:
    asked = {"query": corpus.papers[0].title, "mode": "dense"}
    with client_of(corpus.data, corpus.encoder, search_threads=1) as client:
        expected = [each["id"] for each in client.post("/search", json=asked).json()["results"]]
    with (
        caplog.at_level(logging.INFO, "retrieval_service.corpus.snapshot"),
        client_of(corpus.data, corpus.encoder, search_threads=1, vector_device="gpu", gpu_index="faiss") as client,
    ):
        found = [each["id"] for each in client.post("/search", json=asked).json()["results"]]
        snapshot = client.get("/health/ready").json()["components"]["snapshot"]
    assert found == expected
    assert len(found) > 0
    assert snapshot["vectors"] == "exact, half precision, FAISS on the first GPU"
    assert "are searched on a GPU: exact, half precision, FAISS on the first GPU" in caplog.text


@pytest.mark.gpu
@pytest.mark.skipif(GPUS < 1, reason="no NVIDIA GPU, or a FAISS built for CPUs (the extra `cpu`)")
@pytest.mark.parametrize(
    ("factory", "kind"),
    [
        ("SQfp16", "faiss"), ("IVF32,Flat", "lists"), ("IVF32,SQ8", "lists"),
        ("IVF32,RaBitQ,Refine(SQ8)", "faiss"), ("HNSW16,SQ8", "faiss"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("float16", [False, True])
def test_on_a_gpu(factory: str, kind: str, every: bool, float16: bool) -> None:
    main = made(factory, nprobe=32, k_factor=8.0)
    index = put_on_gpu(main, GpuOptions(every=every, float16=float16, kind=kind))
    shares = []
    for query in unit(50, 6):
        ours, theirs = index.search(query, 10).rows.tolist(), np.argsort(-(unit(TOTAL, 1) @ query))[:10].tolist()
        shares.append(len(set(ours) & set(theirs)) / 10)
    assert np.mean(shares) >= 0.95
    index.close()
