import numpy as np

from training.data.neighbours import make_blocks


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
