import json
import random
import time
from pathlib import Path

import pytest

from training.errors import CorpusError
from training.fit.batches import fill_batches, number_texts, read_texts, require_batches
from training.fit.dataset import PairBatches


def pair(anchor: str, positive: str, **more: object) -> dict[str, object]:
    return {"kind": "title", "anchor": anchor, "positive": positive, **more}


def write(path: Path, pairs: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in pairs))
    return path


def different(count: int) -> list[dict[str, object]]:
    return [pair(f"title {number}", f"abstract {number}") for number in range(count)]


def repeated(count: int, texts: int) -> list[dict[str, object]]:
    """Return pairs of which each has a title of its own, and one of a few abstracts."""
    return [pair(f"title {number}", f"abstract {number % texts}") for number in range(count)]


def numbers(pairs: list[dict[str, object]]) -> list[frozenset[int]]:
    return [number_texts(each) for each in pairs]


def has_repeats(texts: list[frozenset[int]], batch: list[int]) -> bool:
    return sum(len(texts[index]) for index in batch) != len(frozenset().union(*(texts[index] for index in batch)))


def test_texts_that_differ_in_case_and_spaces_are_equal_in_whatever_column() -> None:
    one, other = number_texts(pair("A  Title\n", "an abstract")), number_texts(pair("An Abstract", "a title", label=0))
    assert one == other
    assert len(one) == 2
    mined = number_texts({"anchor": "a", "positive": "b", "negative_1": "c", "negative_2": "d"})
    assert len(mined) == 4


def test_without_repeated_texts_the_batches_are_the_order_in_pieces() -> None:
    order = random.Random(0).sample(range(23), 23)
    assert fill_batches(numbers(different(23)), order, 5) == [order[start : start + 5] for start in range(0, 23, 5)]


@pytest.mark.parametrize("texts", [1, 3, 8, 40])
def test_no_text_is_in_a_batch_twice_and_no_pair_is_lost(texts: int) -> None:
    found = numbers(repeated(120, texts))
    batches = fill_batches(found, random.Random(1).sample(range(120), 120), 8)
    assert not any(has_repeats(found, batch) for batch in batches)
    assert max(map(len, batches)) == min(8, texts)
    assert sorted(index for batch in batches for index in batch) == list(range(120))


def test_a_pair_is_not_a_negative_of_the_pair_that_it_cites() -> None:
    chain = numbers([pair("a", "b"), pair("b", "c"), pair("c", "d"), pair("x", "y")])
    assert fill_batches(chain, range(4), 4) == [[0, 3], [1], [2]]


def test_the_time_grows_with_the_number_of_pairs_and_not_with_its_square() -> None:
    found = numbers(repeated(40_000, 5))
    started = time.perf_counter()
    assert len(fill_batches(found, range(len(found)), 64)) == 8_000
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("keep_blocks", [False, True])
def test_the_sampler_gives_full_batches_of_one_kind_without_repeats(keep_blocks: bool) -> None:
    texts = {"halves": numbers(different(40)), "title": numbers([*different(40), *repeated(40, 4)])}
    sampler = PairBatches(texts, 8, seed=3, keep_blocks=keep_blocks)
    batches = list(sampler)
    assert len(batches) == len(sampler) > 9
    joined = texts["halves"] + texts["title"]
    assert all(len(batch) == 8 and not has_repeats(joined, batch) for batch in batches)
    assert all(len({index < 40 for index in batch}) == 1 for batch in batches)
    assert sum(batch[0] < 40 for batch in batches) == 5
    assert sorted(batches) != batches == list(sampler)
    if keep_blocks:
        assert {tuple(range(start, start + 8)) for start in range(0, 80, 8)} <= set(map(tuple, batches))
    sampler.set_epoch(1)
    assert list(sampler) != batches


def test_a_loss_without_negatives_of_the_batch_gets_every_pair() -> None:
    assert sorted(index for batch in PairBatches({"": [frozenset()] * 40}, 8) for index in batch) == list(range(40))


def test_near_duplicates_are_never_in_one_batch() -> None:
    pairs = [{**each, "groups": [number // 2]} for number, each in enumerate(different(32))]
    for batch in PairBatches({"title": numbers(pairs)}, 8):
        assert len({index // 2 for index in batch}) == 8


@pytest.mark.parametrize(
    ("pairs", "size", "processes", "words"),
    [
        ([], 2, 1, ["0 pairs", "which take 2", "more papers"]),
        (different(1), 16, 1, ["1 pairs", "which take 16", "more papers"]),
        (different(15), 16, 1, ["15 pairs", "which take 16", "trainer.batch_size=15 at most"]),
        (repeated(500, 5), 16, 1, ["500 pairs, 5 of them without a repeated text", "trainer.batch_size=5 at most"]),
        (repeated(500, 1), 2, 1, ["500 pairs, 1 of them", "more papers of different texts."]),
        (different(60), 20, 4, ["60 pairs", "80 (4 processes with 20 each)", "trainer.batch_size=15 at most"]),
    ],
)
def test_too_few_pairs_are_refused_with_both_numbers_and_the_next_step(
    pairs: list[dict[str, object]], size: int, processes: int, words: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path / "pairs.jsonl", pairs)
    with pytest.raises(CorpusError) as refused:
        require_batches(path, size, processes=processes)
    assert [word for word in words if word not in str(refused.value)] == []


@pytest.mark.parametrize(
    ("pairs", "processes", "largest"), [(different(15), 1, 15), (repeated(90, 7), 1, 7), (different(60), 4, 15)]
)
def test_the_largest_batch_that_a_refusal_names_is_accepted(
    pairs: list[dict[str, object]], processes: int, largest: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "pairs.jsonl", pairs)
    assert require_batches(path, largest, processes=processes) == read_texts(path)
    with pytest.raises(CorpusError, match=f"trainer.batch_size={largest} at most"):
        require_batches(path, largest + 1, processes=processes)


def test_repeated_texts_count_for_a_loss_that_takes_no_negatives_from_the_batch(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", repeated(32, 1))
    assert len(require_batches(path, 16, processes=2, distinct=lambda _: False)["title"]) == 32
    with pytest.raises(CorpusError, match="32 pairs do not fill"):
        require_batches(path, 16, processes=3, distinct=lambda _: False)


def test_a_batch_is_filled_with_pairs_of_one_kind(tmp_path: Path) -> None:
    pairs = [{**each, "kind": ("title", "halves")[number % 2]} for number, each in enumerate(different(20))]
    path = write(tmp_path / "pairs.jsonl", pairs)
    assert {kind: len(texts) for kind, texts in require_batches(path, 10, processes=2).items()} == {
        "halves": 10,
        "title": 10,
    }
    with pytest.raises(CorpusError, match=r"20 pairs of 2 kinds.*of one kind in each batch.*batch_size=10 at most"):
        require_batches(path, 11)


def test_a_truncated_file_of_pairs_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"anchor": "a", "posi')
    with pytest.raises(CorpusError, match="run `pairs` again"):
        read_texts(path)
