import numpy as np

from training.data.neighbours import make_blocks, separate_matches


def test_blocks_have_the_same_size_and_hold_similar_vectors() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(4, 16, dtype=np.float32)
    vectors = np.repeat(centres, 32, axis=0) + rng.normal(0, 0.05, (128, 16)).astype(np.float32)
    order = rng.permutation(128)
    found = make_blocks(vectors[order], 16)
    assert sorted(np.concatenate(found).tolist()) == list(range(128))
    assert {len(block) for block in found} == {16}
    assert all(len(set((order[block] // 32).tolist())) == 1 for block in found)


def test_vectors_that_fill_no_block_are_left_out() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
    found = make_blocks(vectors, 16)
    assert len(found) == 3
    assert len(set(np.concatenate(found).tolist())) == 48
    assert make_blocks(vectors[:10], 16) == []


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_pair_whose_passage_answers_another_anchor_is_in_another_block() -> None:
    rng = np.random.default_rng(2)
    anchors = unit(rng.normal(size=(64, 24)))
    positives = unit(anchors + rng.normal(0, 0.05, anchors.shape))
    positives[1] = positives[0]
    anchors[1] = anchors[0]
    blocks = separate_matches(np.arange(64), 8, anchors, positives, 0.05)
    of = {pair: number for number, block in enumerate(blocks) for pair in block}
    assert {len(block) for block in blocks} == {8}
    assert len(of) == sum(map(len, blocks)) > 48
    assert of.get(0) != of.get(1)
    assert set(blocks[0]) <= set(range(9))  # the others stay with their neighbours
    scores = anchors @ positives.T
    for block in blocks:
        for one in block:
            assert all(scores[one, other] <= 0.95 * scores[one, one] for other in block if other != one)


def test_pairs_that_all_match_each_other_fill_no_block() -> None:
    same = unit(np.ones((50, 2)))
    assert separate_matches(np.arange(50), 2, same, same, 0.05) == []
