"""Compare the systems of the retrieval benchmark that the project's own environment has, in their processes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.processes import WorkerFailed
from benchmarks.retrieval.comparison import AKIN, REFERENCE, build_system, compare_systems, result_rows
from benchmarks.retrieval.exact import exact_neighbours
from benchmarks.retrieval.shards import SHARD, rows, vector_blocks, vectors_path

pytestmark = pytest.mark.integration
COUNT = 12_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a collection's vectors: unit vectors around 200 centres."""
    folder = tmp_path_factory.mktemp("collection")
    (folder / "vectors").mkdir()
    random = np.random.default_rng(1)
    centres = random.normal(size=(200, 16))

    def some(count: int) -> np.ndarray:
        found = centres[random.integers(200, size=count)] + random.normal(scale=0.4, size=(count, 16))
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float16)

    for shard in range(2):
        np.save(vectors_path(folder, shard), some(SHARD))
    np.save(folder / "vectors" / "queries.f16.npy", some(200))
    return folder


def test_rows_are_those_of_the_blocks(folder):
    whole = np.concatenate(list(vector_blocks(folder, COUNT)))
    wanted = np.array([11_999, 3, 10_000, 9_999])
    assert whole.shape == (COUNT, 16)
    np.testing.assert_array_equal(rows(folder, wanted), whole[wanted])


def test_ours_and_the_reference_are_compared_at_equal_recall(folder, tmp_path):
    truth = exact_neighbours(folder, COUNT)
    whole = np.concatenate(list(vector_blocks(folder, COUNT)))
    queries = np.load(folder / "vectors" / "queries.f16.npy").astype(np.float32)
    np.testing.assert_array_equal(truth[:, 0], (queries @ whole.T).argmax(axis=1))
    names = (REFERENCE, AKIN, "akin RaBitQ,Refine(SQ8)")
    entries = [build_system(name, Path(sys.executable), folder, COUNT, tmp_path) for name in names]
    assert (tmp_path / "akin-SQfp16-12000.index").exists()
    compare_systems(entries, lambda _: Path(sys.executable), folder, COUNT, tmp_path, 2, print)
    reference, ours, candidate = entries
    assert reference.point == {"nprobe": 64}
    assert ours.recall >= reference.recall - 0.005
    assert {len(point) for point, _, _ in candidate.curve} == {2}
    metrics = {(row.system, row.metric) for row in result_rows(entries, "12k")}
    assert {(AKIN, m) for m in ("recall_at_10", "qps", "memory_mb", "build_s", "qps_ratio")} <= metrics


def test_a_system_that_cannot_be_built_gives_the_reason(tmp_path):
    with pytest.raises(WorkerFailed, match="No such file"):
        build_system(REFERENCE, Path(sys.executable), tmp_path, COUNT, tmp_path)
