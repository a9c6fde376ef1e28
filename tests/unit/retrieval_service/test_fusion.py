from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.ports import Hits
from retrieval_service.search.fusion import (
    Fusion,
    append_deeper,
    bounded,
    fuse,
    min_max,
    reciprocal_rank,
    single_ranking,
)


def hits(*scored: tuple[int, float]) -> Hits:
    return Hits(
        np.asarray([row for row, _ in scored], np.int64), np.asarray([score for _, score in scored], np.float32)
    )


def scores_by_row(dense: Hits, lexical: Hits, fusion: Fusion, pool: int) -> dict[int, float]:
    fused = fuse(dense, lexical, fusion, pool)
    return dict(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True))


def ranking(rows: list[int]) -> Hits:
    return hits(*((row, 1 / (place + 1)) for place, row in enumerate(rows)))


def test_min_max_is_the_mean_of_scaled_scores() -> None:
    fused = fuse(hits((1, 0.9), (2, 0.5), (3, 0.1)), hits((2, 30.0), (4, 20.0), (1, 10.0)), min_max, 100)
    assert dict(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True)) == pytest.approx(
        {2: (0.5 + 1.0) / 2, 1: (1.0 + 0.0) / 2, 4: 0.25, 3: 0.0}
    )
    assert fused.rows.tolist() == [2, 1, 4, 3]


def test_reciprocal_rank_uses_only_ranks() -> None:
    fused = fuse(ranking([1, 2]), hits((2, 1e9), (3, -5.0)), reciprocal_rank, 100)
    scores = dict(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True))
    assert scores == pytest.approx({1: 0.5, 2: (61 / 62 + 1) / 2, 3: 61 / 62 / 2})


def test_bounded_shares_begin_at_the_score_of_an_unrelated_paper() -> None:
    dense = hits((1, 0.9), (2, 0.5))._replace(bounds=(0.1, 0.9))
    lexical = hits((2, 20.0), (3, 10.0))._replace(bounds=(0.0, 20.0))
    # A paper that is not in a full pool counts as its last one.
    expected = {1: (1.0 + 0.5) / 2, 2: (0.5 + 1.0) / 2, 3: (0.5 + 0.5) / 2}
    assert scores_by_row(dense, lexical, bounded, 2) == pytest.approx(expected)


def test_a_paper_outside_a_pool_that_is_not_full_matches_nothing_of_the_query() -> None:
    dense, lexical = hits((1, 0.9), (2, 0.45))._replace(bounds=(0.0, 0.9)), hits((2, 20.0))
    assert scores_by_row(dense, lexical, bounded, 2) == pytest.approx({1: 0.5, 2: 0.75})


def test_a_half_without_a_good_match_weighs_less() -> None:
    strong, weak = hits((1, 0.8), (2, 0.4))._replace(bounds=(0.0, 1.0)), hits((2, 4.0), (1, 1.0))._replace
    assert fuse(strong, weak(bounds=(0.0, 4.0)), bounded, 2).rows.tolist() == [2, 1]
    fused = fuse(strong, weak(bounds=(0.0, 4096.0)), bounded, 2)
    assert fused.rows.tolist() == [1, 2]
    # The lexical half reaches 4 of 4096, whose fourth root is 0.177.
    assert fused.scores.tolist() == pytest.approx(
        [(0.8**0.25 + 0.1768 / 4) / 2, (0.8**0.25 / 2 + 0.1768) / 2], abs=1e-4
    )


def test_papers_below_both_pools_follow_in_the_order_of_their_rank() -> None:
    dense, lexical = ranking([1, 2, 3, 4]), ranking([5, 6, 4, 7])
    fused = fuse(dense, lexical, bounded, 2)
    assert fused.rows.tolist() == [1, 5, 2, 6, 3, 4, 7]
    assert fused.scores.tolist()[4:] == [0, 0, 0]


def test_scores_below_that_of_an_unrelated_paper_have_no_share() -> None:
    assert scores_by_row(hits((1, -0.2), (2, -0.3)), hits(), bounded, 2) == {1: 0.5, 2: 0}
    assert scores_by_row(hits((1, 0.1))._replace(bounds=(0.2, 1.0)), hits(), bounded, 1) == {1: 0}


def test_the_rankings_may_weigh_differently() -> None:
    dense, lexical = hits((1, 0.9), (2, 0.1)), hits((2, 30.0), (1, 10.0))
    assert fuse(dense, lexical, min_max, 100, weight=0.8).scores.tolist() == pytest.approx([0.8, 0.2])
    assert fuse(dense, lexical, min_max, 100, weight=0.2).rows.tolist() == [2, 1]
    assert fuse(dense, lexical, min_max, 100, weight=1.0).rows.tolist() == [1, 2]


def test_the_score_of_each_index_is_returned() -> None:
    fused = fuse(hits((7, 0.5)), hits((8, 12.0), (7, 3.0)), min_max, 100)
    at = fused.rows.tolist().index(7)
    assert (fused.dense[at], fused.lexical[at]) == (0.5, 3.0)
    assert np.isnan(fused.dense[fused.rows.tolist().index(8)])


@pytest.mark.parametrize("fusion", [bounded, min_max, reciprocal_rank])
def test_equal_scores_and_empty_rankings(fusion: Fusion) -> None:
    assert fuse(hits((1, 0.5), (2, 0.5)), hits(), fusion, 100).rows.tolist() == [1, 2]
    assert fuse(hits(), hits(), fusion, 100).rows.tolist() == []
    assert fuse(hits((5, 0.1)), hits((5, 2.0)), fusion, 100).scores.tolist() == [1.0]


def test_a_single_ranking_keeps_its_scores() -> None:
    fused = single_ranking(None, hits((4, 12.5), (2, 3.0)))
    assert (fused.rows.tolist(), fused.scores.tolist()) == ([4, 2], [12.5, 3.0])
    assert np.isnan(fused.dense).all()
    with pytest.raises(ValueError, match="neither"):
        single_ranking(None, None)


rankings = st.lists(st.integers(0, 40), unique=True, max_size=30)


@pytest.mark.parametrize("fusion", [bounded, min_max, reciprocal_rank])
@given(dense=rankings, lexical=rankings, pool=st.integers(1, 10), depth=st.integers(0, 30))
def test_a_deeper_search_only_appends(
    fusion: Fusion, dense: list[int], lexical: list[int], pool: int, depth: int
) -> None:
    shallow_depth = max(pool, depth)
    shallow = fuse(ranking(dense[:shallow_depth]), ranking(lexical[:shallow_depth]), fusion, pool)
    deep = fuse(ranking(dense), ranking(lexical), fusion, pool)
    assert deep.rows.tolist()[:shallow_depth] == shallow.rows.tolist()[:shallow_depth]
    assert set(deep.rows.tolist()) == set(dense) | set(lexical)
    assert (deep.scores >= 0).all()
    assert (deep.scores <= 1).all()


COVERED = np.asarray([True, True, True, False, False, False, False])


def test_a_paper_without_a_vector_has_the_dense_share_of_papers_at_its_place() -> None:
    # Of the papers with a vector, the lexical half finds 0 before 1 before 2, and the dense half the other way round.
    dense = hits((2, 0.9), (1, 0.6), (0, 0.5))._replace(bounds=(0.1, 0.9))
    lexical = hits((3, 20.0), (0, 16.0), (1, 12.0), (4, 10.0), (2, 8.0), (5, 4.0))._replace(bounds=(0.0, 20.0))
    fused = fuse(dense, lexical, bounded, 10, covered=COVERED)
    scores = dict(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True))
    # The dense shares are 1, 0.625 and 0.5: the best for 3, the least for 4, which is before 2 only, and for 5.
    assert scores == pytest.approx(
        {0: 0.65, 1: 0.6125, 2: 0.7, 3: 1.0, 4: (0.5 + 0.5) / 2, 5: (0.5 + 0.2) / 2}, abs=1e-6
    )
    assert np.isnan(fused.dense[fused.rows.tolist().index(3)])


@pytest.mark.parametrize("fusion", [bounded, min_max, reciprocal_rank])
def test_the_best_match_by_words_stays_first_without_a_vector(fusion: Fusion) -> None:
    lexical = ranking([3, 4, 0, 5, 1])
    dense = ranking([0, 1, 2])
    assert fuse(dense, lexical, fusion, 100, covered=COVERED).rows[0] == 3
    assert fuse(dense, lexical, fusion, 100).rows[0] == 0


def test_papers_without_a_vector_keep_the_order_of_the_words() -> None:
    fused = fuse(ranking([0]), ranking([5, 3, 0, 4, 6]), bounded, 100, covered=COVERED)
    assert [row for row in fused.rows.tolist() if row > 2] == [5, 3, 4, 6]


def test_a_filter_without_any_vector_leaves_the_words() -> None:
    assert fuse(hits(), ranking([5, 3, 4]), bounded, 100, covered=COVERED).rows.tolist() == [5, 3, 4]


def test_with_all_vectors_nothing_is_expected() -> None:
    dense, lexical = ranking([0, 1, 2]), ranking([2, 3, 1])
    all_of_them = fuse(dense, lexical, bounded, 100, covered=np.ones(7, np.bool_))
    assert all_of_them.scores.tolist() == fuse(dense, lexical, bounded, 100).scores.tolist()


def test_a_deeper_ranking_appends_its_new_rows_and_moves_no_other() -> None:
    before = single_ranking(hits((5, 0.9), (2, 0.4)), None)
    deeper = append_deeper(before, single_ranking(hits((2, 0.8), (7, 0.6), (5, 0.5), (1, 0.1)), None))
    assert deeper.rows.tolist() == [5, 2, 7, 1]
    assert deeper.scores.tolist() == deeper.dense.tolist() == pytest.approx([0.9, 0.4, 0.6, 0.1])
    assert np.isnan(deeper.lexical).all()
