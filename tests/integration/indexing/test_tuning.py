"""Choose an index by measurement, and measure a published one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from akin.indexing import faiss_recipe, faiss_writer
from akin.indexing.faiss_recipe import Recipe, candidates, parse_recipe
from akin.indexing.faiss_writer import build_index
from akin.indexing.options import BuildOptions
from akin.indexing.recall import exact_nearest, measure, measure_curve
from akin.indexing.tune import choose_point
from akin.indexing.verify import measure_recall
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.corpus import SnapshotDirectory, verify_snapshot
from retrieval_service.corpus.manifest import CurvePoint, IndexRecord
from retrieval_service.errors import BuildInProgress, NoSnapshot, SnapshotError
from tests.integration.snapshots import opened, tune, update


def test_the_cheapest_sufficient_index_is_served_and_no_paper_is_embedded(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faiss_recipe, "VECTORS_PER_LIST", 60)
    papers, encoder, before = kit.built(tmp_path, 1000)
    encoder.texts.clear()
    recipes = ("SQfp16", "IVF16,SQ8", "IVF16,RaBitQ,Refine(SQ8)", "HNSW16,SQ8")
    after = tune(encoder, tmp_path, *recipes, recall=0.9)
    assert set(encoder.texts) <= {paper.title for paper in papers}
    assert after.embedded == 0
    index = after.index
    assert {point.recipe for point in index.curve} == set(recipes)
    assert {point.k_factor for point in index.curve if "Refine" in point.recipe} == {4.0, 8.0, 16.0}
    best, why = choose_point(index.curve, 0.9, None)
    assert (index.recipe, index.nprobe or 0, index.k_factor) == (best.recipe, best.nprobe, best.k_factor)
    assert why in index.why
    assert best.recall_at_10 >= 0.9
    snapshots = SnapshotDirectory(tmp_path)
    assert snapshots.current() == after.id
    assert verify_snapshot(snapshots.path(before.id)) == verify_snapshot(snapshots.path(after.id)) == []
    snapshot = opened(tmp_path, after)
    assert snapshot.catalogue.papers([0, 999]) == [papers[0], papers[999]]
    assert abs(measure_recall(snapshots.path(after.id), tmp_path).recall_at_10 - best.recall_at_10) < 0.1
    grown = update(kit.papers(1020), encoder, tmp_path)
    assert grown.index.recipe == index.recipe
    assert grown.papers == 1020


def test_a_growing_corpus_gets_another_index_whether_size_or_measurements_chose_it(tmp_path: Path, kit: Any) -> None:
    encoder, papers = kit.Encoder(), kit.papers(400)
    kit.build(papers[:100], encoder, tmp_path)
    tuned = tune(encoder, tmp_path, "SQfp16", recall=0.9).index
    assert (tuned.recipe, tuned.chosen, tuned.trained_on) == ("SQfp16", True, 100)

    def updated(count: int) -> IndexRecord:
        return update(papers[:count], encoder, tmp_path, options=BuildOptions(exact_below=130), complete=True).index

    assert updated(140).recipe == "SQfp16"
    lists = updated(400)
    assert (lists.nlist, lists.recall_target, lists.chosen, lists.trained_on) == (4, 0.9, False, 400)
    assert updated(300).recipe == lists.recipe
    assert updated(120).recipe == "SQfp16"


def test_recall_agrees_with_a_plain_computation() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((400, 16)).astype(np.float32)
    own = np.arange(0, 400, 20)
    asked = exact_nearest(vectors[own], own, 400, lambda rows: vectors[rows])
    for row, truth in zip(own, asked.truth, strict=True):
        scores = vectors @ vectors[row]
        scores[row] = -np.inf
        assert set(truth.tolist()) == set(np.argsort(-scores)[:10].tolist())
    exact = build_index(Recipe("Flat", None, 1.0, ""), 400, 16, lambda rows: vectors[rows])
    assert measure(FaissIndex(exact), asked)[0] == 1.0
    lists = Recipe("IVF16,Flat", 16, 1.0, "")
    index = build_index(lists, 400, 16, lambda rows: vectors[rows])
    curve = measure_curve(index, lists, asked, 0.8)
    assert [point.recall_at_10 < 0.8 for point in curve] == [True] * (len(curve) - 1) + [False]
    index.nprobe = curve[-1].nprobe
    _, rows = index.search(vectors[own], 11)
    plain = [
        len(set(found[found != row][:10].tolist()) & set(truth.tolist())) / 10
        for row, found, truth in zip(own, rows, asked.truth, strict=True)
    ]
    assert curve[-1].recall_at_10 == pytest.approx(np.mean(plain), abs=1e-4)


def test_measuring_ends_if_the_target_is_out_of_reach() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((600, 16)).astype(np.float32)
    asked = exact_nearest(vectors[:50], np.arange(50), 600, lambda rows: vectors[rows])
    coarse = Recipe("IVF4,RaBitQ", 4, 1.0, "")
    index = build_index(coarse, 600, 16, lambda rows: vectors[rows])
    assert measure_curve(index, coarse, asked, 0.999)[-1].nprobe <= 4


def test_every_candidate_can_be_made_and_served() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((2000, 32)).astype(np.float32)
    asked = exact_nearest(vectors[:20], np.arange(20), 2000, lambda rows: vectors[rows])
    for recipe in candidates(2000, 32):
        index = build_index(recipe, 2000, 32, lambda rows: vectors[rows])
        served = FaissIndex(index, nprobe=recipe.nlist or 64, k_factor=recipe.k_factor)
        assert measure(served, asked)[0] > 0.8, recipe
        assert served.vectors([0, 1999]).shape == (2, 32)
        assert parse_recipe(recipe.factory).nlist == recipe.nlist


def test_lists_trained_for_one_recipe_serve_another() -> None:
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((2000, 32)).astype(np.float32)
    recipe = Recipe("IVF8,SQ8", 8, 1.0, "")
    first = build_index(recipe, 2000, 32, lambda rows: vectors[rows])
    centroids = faiss_writer.centroids_of(first)
    assert centroids is not None
    second = build_index(recipe, 2000, 32, lambda rows: vectors[rows], centroids=centroids)
    for left, right in zip(first.search(vectors[:9], 10), second.search(vectors[:9], 10), strict=True):
        np.testing.assert_array_equal(left, right)
    assert faiss_writer.centroids_of(faiss.IndexFlatIP(4)) is None


@pytest.mark.parametrize(
    ("recall", "memory", "recipe"),
    [
        (0.93, 195.0, "smaller"),
        (0.97, None, "middling"),
        (0.92, None, "smaller"),
        (0.999, None, "exact"),
        (0.97, 150.0, "small"),
        (0.9, 50.0, "small"),
    ],
)
def test_the_choice_of_a_point_of_a_point(recall: float, memory: float | None, recipe: str) -> None:
    points = [
        CurvePoint(0, 1.0, 50.0, "exact", memory_mb=400),
        CurvePoint(8, 0.93, 0.5, "fast", memory_mb=200),
        CurvePoint(8, 0.94, 0.6, "smaller", memory_mb=190),
        CurvePoint(9, 0.98, 0.9, "middling", memory_mb=200),
        CurvePoint(9, 0.95, 2.0, "small", memory_mb=100),
    ]
    assert choose_point(points, recall, memory)[0].recipe == recipe


@pytest.mark.parametrize("text", ["nonsense", "IVF,", "PCA8,Flat", "LSH"])
def test_recipes_that_cannot_be_served(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a recipe|not a kind of index"):
        parse_recipe(text)


def test_tuning_without_snapshot_encoder_or_embeddings_is_refused(tmp_path: Path, kit: Any) -> None:
    encoder = kit.Encoder()
    with pytest.raises(NoSnapshot):
        tune(encoder, tmp_path)
    before = kit.build(kit.papers(30), encoder, tmp_path)
    with pytest.raises(SnapshotError, match="promote the other"):
        tune(kit.Encoder("another"), tmp_path)
    keys = tmp_path / "embeddings" / encoder.identity.digest / "keys.bin"
    keys.write_bytes(keys.read_bytes()[:-60])
    for ask in (
        lambda: tune(encoder, tmp_path),
        lambda: measure_recall(SnapshotDirectory(tmp_path).path(before.id), tmp_path),
    ):
        with pytest.raises(SnapshotError, match="lacks the embeddings of 3 papers"):
            ask()
    assert SnapshotDirectory(tmp_path).ids() == [before.id]


def test_pruning_keeps_the_newest_and_the_live_one(tmp_path: Path, kit: Any) -> None:
    snapshots, encoder = SnapshotDirectory(tmp_path), kit.Encoder()
    ids = [kit.build(kit.papers(10 + n), encoder, tmp_path).id for n in range(4)]
    ids.sort()
    snapshots.use(ids[0])
    with snapshots.new_build(), pytest.raises(BuildInProgress):
        snapshots.prune(1)
    assert sorted(snapshots.prune(1)) == ids[1:3]
    assert sorted(snapshots.ids()) == [ids[0], ids[3]]
    assert snapshots.prune(1) == []
    assert snapshots.current() == ids[0]
