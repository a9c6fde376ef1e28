import numpy as np

from training.data.negatives import choose_negatives

CANDIDATES = np.array([[4, 3, 2, 1, 0]])
SCORES = np.array([[0.9, 0.8, 0.7, 0.6, 0.5]], dtype=np.float32)
ALL = [np.ones(5, dtype=np.bool_)]


def choose(own: float, allowed: list[np.ndarray] = ALL, count: int = 2, **more: object) -> list[int]:
    rng = np.random.default_rng(0)
    (found,) = choose_negatives(
        CANDIDATES, SCORES, np.array([own], dtype=np.float32), allowed, count=count, rng=rng, **more
    )
    return found


def test_the_most_similar_candidates_become_negatives() -> None:
    assert choose(1.0) == [4, 3]
    assert choose(1.0, skip=1) == [3, 2]


def test_a_candidate_that_scores_above_the_margin_is_left_out() -> None:
    assert choose(0.75) == [2, 1]
    assert choose(0.75, relative_margin=0.1) == [1, 0]  # at most 0.675
    assert choose(0.4) == []
    assert choose(-0.4, relative_margin=0.1) == []


def test_near_duplicates_of_the_pairs_papers_are_left_out_and_do_not_count_as_skipped() -> None:
    allowed = [np.array([True, False, True, True, True])]
    assert choose(1.0, allowed) == [4, 2]
    assert choose(1.0, allowed, skip=1) == [2, 1]


def test_random_negatives_are_of_those_that_remain() -> None:
    found = choose(0.85, count=3, sampling="random")
    assert len(set(found)) == 3
    assert set(found) <= {3, 2, 1, 0}
