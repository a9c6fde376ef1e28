"""Test what every vector index promises, on each of them: FAISS, Milvus, and torch where it is installed."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import pytest

from akin.indexing import milvus
from akin.indexing.milvus import KINDS, drop_collections, list_collections, load_snapshot
from akin.storage.locks import lock_now
from retrieval_service.adapters import milvus_collection, milvus_index
from retrieval_service.adapters.faiss_gpu import FaissOnGpu
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.adapters.gpu_index import GpuIndex
from retrieval_service.adapters.milvus_collection import MilvusCollection, MilvusOptions, connect
from retrieval_service.adapters.milvus_index import MilvusIndex, open_milvus
from retrieval_service.adapters.partial_index import PartialIndex
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import read_manifest
from retrieval_service.corpus.snapshot import open_snapshot
from retrieval_service.errors import VectorStoreUnusable
from retrieval_service.filter import Clause, Field, Filter
from retrieval_service.ports import RowSet, VectorIndex
from tests.integration.service import client_of

pytestmark = pytest.mark.integration
TOTAL, DIM = 6_000, 16


def unit(count: int, seed: int) -> Any:
    vectors = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


RECORDS = np.arange(TOTAL) * 7
VECTORS = unit(TOTAL, 1).astype(np.float16).astype(np.float32)  # half precision everywhere, so that all agree


def faiss_of(factory: str, **how: Any) -> FaissIndex:
    index = faiss.index_factory(DIM, factory, faiss.METRIC_INNER_PRODUCT)
    index.train(VECTORS)
    index.add(VECTORS)
    if "IVF" in factory:
        index.make_direct_map()  # as in a snapshot: from rows to codes
    return FaissIndex(index, **how)


def stored_row(row: int) -> dict[str, Any]:
    """Return a row: every third is of the category `cs.LG`, and its day is its number."""
    categories = ["cs.LG"] if row % 3 == 0 else ["cs.CL"]
    more = {"record": row * 7, "day": row, "categories": categories, "withdrawn": False}
    return {"row": row, "vector": VECTORS[row], **more}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, MilvusOptions]]:
    """Yield a client of milvus-lite with the vectors in an exact collection and in a graph."""
    options = MilvusOptions(str(tmp_path_factory.mktemp("milvus") / "vectors.db"), seconds=60)
    client = connect(options)
    for kind in ("FLAT", "HNSW"):
        milvus._create(client, f"akin_{kind}", DIM, words=False)
        for at in range(0, TOTAL, 1_000):
            client.insert(f"akin_{kind}", [stored_row(row) for row in range(at, at + 1_000)])
        client.flush(f"akin_{kind}")
        milvus._make_index(client, f"akin_{kind}", kind, words=False)
    yield client, options
    client.close()


EXACT = (
    "faiss flat", "faiss half precision", "faiss all lists", "faiss part", "milvus flat", "torch",
    "on gpu: faiss", "on gpu: faiss without filters", "on gpu: torch",
)  # fmt: skip
APPROXIMATE = ("faiss lists", "faiss graph", "milvus graph")


@pytest.fixture
def make(store: tuple[Any, MilvusOptions]) -> Callable[[str], VectorIndex]:
    def index(name: str) -> VectorIndex:
        client, options = store
        main = faiss_of("SQfp16")
        match name:
            case "faiss flat":
                return faiss_of("Flat")
            case "faiss half precision":
                return main
            case "faiss all lists":
                return faiss_of("IVF16,Flat", nprobe=16)
            case "faiss part":
                return PartialIndex(main, np.arange(TOTAL), TOTAL)
            case "faiss lists":
                return faiss_of("IVF16,SQfp16", nprobe=12)
            case "faiss graph":
                return faiss_of("HNSW16,SQfp16", nprobe=128)
            case "on gpu: faiss":  # its stand-in in main memory, as in the two below
                flat = faiss_of("Flat").index
                select = lambda _, rows: faiss.SearchParameters(sel=rows)  # noqa: E731
                return GpuIndex(main, FaissOnGpu(flat, "stand-in", parameters=select))
            case "on gpu: faiss without filters":
                return GpuIndex(main, FaissOnGpu(faiss_of("Flat").index, "stand-in"))
            case "torch" | "on gpu: torch":
                pytest.importorskip("torch", reason="torch is not installed here", exc_type=ImportError)
                from retrieval_service.adapters.torch_exact import TorchExactIndex

                exact = TorchExactIndex.of(main, "cpu")
                return exact if name == "torch" else GpuIndex(main, exact)
            case "milvus flat":
                return MilvusIndex(main, MilvusCollection(client, "akin_FLAT", options, RECORDS), effort=None)
        graph = MilvusCollection(client, "akin_HNSW", options._replace(effort=256), RECORDS)
        return MilvusIndex(main, graph, effort="ef")

    return index


def expected(query: Any, k: int, mask: Any = None) -> list[int]:
    scores = VECTORS @ query
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    return [int(row) for row in np.lexsort((np.arange(TOTAL), -scores))[:k]]


def assert_best(rows: Any, query: Any, k: int, mask: Any = None) -> None:
    """Assert that rows are the best k; those of equal scores may change places."""
    scores, best = VECTORS @ query, expected(query, k, mask)
    assert len(set(rows.tolist())) == len(rows) == k
    assert mask is None or mask[rows].all()
    np.testing.assert_allclose(scores[rows], scores[best], atol=1e-5)


def row_set(mask: Any) -> RowSet:
    return RowSet(mask, int(np.count_nonzero(mask)))


@pytest.mark.parametrize("name", EXACT)
def test_an_exact_index_gives_the_best_rows_in_order(name: str, make: Callable[[str], VectorIndex]) -> None:
    index = make(name)
    assert (index.dim, len(index), index.status) == (DIM, TOTAL, None)
    for query in unit(5, 2):
        hits = index.search(query, 20)
        assert_best(hits.rows, query, 20)
        np.testing.assert_allclose(hits.scores, (VECTORS @ query)[hits.rows], atol=2e-3)
    assert_best(index.search(query, 1300).rows, query, 1300)
    np.testing.assert_allclose(index.vectors([3, 5]), VECTORS[[3, 5]], atol=1e-3)


@pytest.mark.parametrize("share", [1.0, 0.7, 0.1, 0.001])
@pytest.mark.parametrize("name", EXACT)
def test_a_filter_admits_its_rows_and_all_of_the_best_of_them(
    name: str, share: float, make: Callable[[str], VectorIndex]
) -> None:
    mask = np.random.default_rng(3).random(TOTAL) < share
    index, query = make(name), unit(1, 4)[0]
    admitted = row_set(mask)
    hits = index.search(query, 50, within=admitted)
    assert_best(hits.rows, query, min(50, admitted.count), mask)


@pytest.mark.parametrize("name", [*EXACT, *APPROXIMATE])
def test_a_filter_that_admits_nothing_finds_nothing(name: str, make: Callable[[str], VectorIndex]) -> None:
    nothing = row_set(np.zeros(TOTAL, np.bool_))
    assert len(make(name).search(unit(1, 5)[0], 10, within=nothing).rows) == 0


@pytest.mark.parametrize("name", APPROXIMATE)
def test_an_approximate_index_has_the_recall_that_it_is_tuned_to(name: str, make: Callable[[str], VectorIndex]) -> None:
    index, queries = make(name), unit(40, 6)
    shares = [len(set(index.search(query, 10).rows.tolist()) & set(expected(query, 10))) / 10 for query in queries]
    assert np.mean(shares) >= 0.95
    # A search of less effort finds less, and changes nothing for the next.
    before = index.search(queries[0], 10).rows.tolist()
    index.search(queries[0], 10, nprobe=1)
    assert index.search(queries[0], 10).rows.tolist() == before


def test_rows_far_down_the_ranking_are_found_for_a_large_filter(
    make: Callable[[str], VectorIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The 1,000 rows nearest to the query are left out: more than the first try asks for.
    query = unit(1, 7)[0]
    mask = np.ones(TOTAL, np.bool_)
    mask[expected(query, 1_000)] = False
    assert_best(make("milvus flat").search(query, 30, within=row_set(mask)).rows, query, 30, mask)
    # Beyond what Milvus gives at once, the index in main memory answers.
    monkeypatch.setattr(milvus_index, "MOST", 500)
    monkeypatch.setattr(milvus_collection, "MOST", 500)
    assert_best(make("milvus flat").search(query, 30, within=row_set(mask)).rows, query, 30, mask)


def test_a_failure_is_answered_in_main_memory_until_milvus_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    now, asked = [0.0], []

    def search(*_: Any, **__: Any) -> Any:
        asked.append(now[0])
        if now[0] < 15:
            raise RuntimeError("connection refused\n  at some line")
        return [[{"row": 7, "distance": 1.0, "entity": {"record": 49}}]]

    client: Any = SimpleNamespace(search=search, close=lambda: None)
    options = MilvusOptions("http://127.0.0.1:1")
    collection = MilvusCollection(client, "akin_x", options, RECORDS, clock=lambda: now[0])
    index = MilvusIndex(faiss_of("SQfp16"), collection, effort=None)
    query = unit(1, 8)[0]
    with caplog.at_level(logging.ERROR):
        assert_best(index.search(query, 3).rows, query, 3)
    assert index.status == "Milvus failed: connection refused"
    assert "connection refused; main memory answers" in caplog.text
    now[0] = 5
    index.search(query, 3)
    assert asked == [0]
    now[0] = 20
    assert index.search(query, 1).rows.tolist() == [7]
    assert index.status is None


def test_a_large_filter_of_categories_and_days_is_answered_by_milvus_alone(
    make: Callable[[str], VectorIndex], store: tuple[Any, MilvusOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    client = store[0]
    search = client.search

    def spy(*args: Any, **how: Any) -> Any:
        asked.append(how["filter"])
        return search(*args, **how)

    monkeypatch.setattr(client, "search", spy)
    wanted = Filter((Clause(Field.CATEGORY, ("cs.CL", "hep-th")),), date.fromordinal(5), date.fromordinal(5_999))
    mask = (np.arange(TOTAL) % 3 > 0) & (np.arange(TOTAL) >= 5)
    for limit in (milvus_index.MOST_LISTED, 10):  # rows are listed, or the condition is sent
        monkeypatch.setattr(milvus_index, "MOST_LISTED", limit)
        admitted = RowSet(mask, int(mask.sum()), wanted)
        for query in unit(3, 9):
            assert_best(make("milvus flat").search(query, 40, within=admitted).rows, query, 40, mask)
    assert [each.startswith("row in") for each in asked] == [True] * 3 + [False] * 3
    assert "array_contains_any" in asked[-1]


def test_rows_of_another_snapshot_are_never_answered(store: tuple[Any, MilvusOptions]) -> None:
    client, options = store
    query = unit(1, 10)[0]
    best = expected(query, 10)
    for records in (RECORDS[:3_000], np.where(np.arange(TOTAL) == best[4], 1, RECORDS)):
        main = faiss_of("SQfp16")
        index = MilvusIndex(main, MilvusCollection(client, "akin_FLAT", options, records), effort=None)
        found = index.search(query, 10)
        assert found.rows.tolist() == main.search(query, 10).rows.tolist()
        assert index.status is None
        assert index.collection.ask("vector", query, 10, {}) is None


# --- a snapshot in milvus-lite, and the service over it ---


@pytest.fixture
def options(tmp_path: Path) -> MilvusOptions:
    return MilvusOptions(str(tmp_path / "papers.db"), seconds=60)


def live(corpus: Any) -> Path:
    snapshots = SnapshotDirectory(corpus.data)
    return snapshots.path(snapshots.current() or "")


def test_the_service_answers_from_milvus_as_from_main_memory(corpus: Any, options: MilvusOptions) -> None:
    folder = live(corpus)
    loaded = load_snapshot(folder, options, "FLAT")
    assert loaded.vectors == len(corpus.papers)
    again = load_snapshot(folder, options, "FLAT")
    assert (again.collection, again.vectors) == (loaded.collection, loaded.vectors)
    (stored,) = list_collections(options, SnapshotDirectory(corpus.data))
    assert (stored.collection, stored.kind, stored.snapshot) == (loaded.collection, "FLAT", folder.name)
    asked = [
        {"query": corpus.papers[0].title, "mode": mode, "k": 20, **more}
        for mode in ("dense", "hybrid")
        for more in ({}, {"categories": [corpus.papers[0].categories[0]]})
    ]
    with client_of(corpus.data, corpus.encoder, search_threads=1) as client:
        before = [client.post("/search", json=each).json()["results"] for each in asked]
    with client_of(corpus.data, corpus.encoder, search_threads=1, milvus_uri=options.uri, milvus_seconds=60) as client:
        after = [client.post("/search", json=each).json()["results"] for each in asked]
        assert "without_milvus" not in client.get("/health/ready").json()["components"]["snapshot"]
    assert [[each["id"] for each in found] for found in after] == [[each["id"] for each in found] for found in before]
    assert before[0]
    drop_collections(options, [loaded.collection])
    assert list_collections(options, SnapshotDirectory(corpus.data)) == []


def test_what_does_not_fit_is_refused_with_the_command_that_helps(corpus: Any, options: MilvusOptions) -> None:
    folder = live(corpus)
    digest = read_manifest(folder).encoder.digest
    main = FaissIndex.open(folder / "vectors.faiss")
    with pytest.raises(VectorStoreUnusable, match=r"no vectors of snapshot .*no collection of Akin.*akin milvus load"):
        open_milvus(main, options, folder.name, digest)
    with pytest.raises(VectorStoreUnusable, match="no kind of index 'FAST'; there are: FLAT"):
        load_snapshot(folder, options, "FAST")
    loaded = load_snapshot(folder, options, "FLAT")
    # Of another encoder: another collection.
    with pytest.raises(VectorStoreUnusable, match=f"it has {loaded.collection}"):
        open_milvus(main, options, folder.name, "f" * 64)
    # Filled by half: refused, and made again by the same command.
    client = connect(options)
    client.delete(loaded.collection, filter="row < 3")
    client.close()
    with pytest.raises(VectorStoreUnusable, match="filled by half"):
        open_snapshot(folder, milvus=options)
    assert load_snapshot(folder, options, "FLAT").vectors == loaded.vectors
    open_snapshot(folder, milvus=options).close()
    # All vectors and no index, as after a kill: refused, and made again.
    client = connect(options)
    client.release_collection(loaded.collection)
    client.drop_index(loaded.collection, "vector")
    client.close()
    with pytest.raises(VectorStoreUnusable, match=r"has no index.*akin milvus load"):
        open_snapshot(folder, milvus=options)
    load_snapshot(folder, options, "FLAT")
    open_snapshot(folder, milvus=options).close()


def test_an_address_at_which_nothing_answers_is_named(corpus: Any) -> None:
    with pytest.raises(VectorStoreUnusable, match=r"http://127\.0\.0\.1:9 cannot be used.*Start it, or correct"):
        open_snapshot(live(corpus), milvus=MilvusOptions("http://127.0.0.1:9", seconds=0.2))


_URIS = ["http://eva:s3cret@127.0.0.1:9", "htp://eva:s3@cret@127.0.0.1:9"]  # pragma: allowlist secret


@pytest.mark.parametrize("uri", _URIS)
def test_the_password_of_milvus_is_in_no_message(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(VectorStoreUnusable, match=r"Milvus at h\w+://127\.0\.0\.1:9 cannot be used") as caught:
        connect(MilvusOptions(uri, seconds=0.2))
    assert "cret" not in str(caught.value)
    assert "cret" not in caplog.text


def test_a_file_that_milvus_lite_cannot_use_is_refused_with_its_reason_and_nothing_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain, taken = tmp_path / "plain.db", tmp_path / "taken.db"
    plain.write_text("no database")
    taken.mkdir()
    lock = os.open(taken / "LOCK", os.O_CREAT | os.O_RDWR)
    lock_now(lock)
    reasons = {
        plain: "File exists",
        taken: "another process holds the lock",
        tmp_path / "none" / "x.db": "not exists",
        tmp_path / "without_suffix": "illegal, needs start with",
    }
    try:
        for path, reason in reasons.items():
            with pytest.raises(VectorStoreUnusable, match=rf"{path} cannot be used: .*{reason}.*AKIN_MILVUS_URI"):
                connect(MilvusOptions(str(path)))
    finally:
        os.close(lock)
    assert not caplog.records


def test_kinds_are_those_that_milvus_has() -> None:
    assert json.dumps(KINDS)
    assert set(KINDS) >= {"FLAT", "HNSW", "IVF_RABITQ", "GPU_CAGRA"}
