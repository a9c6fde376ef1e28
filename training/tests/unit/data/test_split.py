from collections.abc import Callable

import numpy as np

from akin.papers import Paper
from akin.relevance.duplicates import MinHash, group_duplicates
from training.data.split import UNDATED, Sizes, SplitPart, split

SIZES = Sizes(validation=10, held_out=20, validation_share=0.2, held_out_share=0.4)


def days_of(papers: list[Paper]) -> np.ndarray:
    return np.array([paper.published.toordinal() if paper.published else UNDATED for paper in papers], dtype=np.int32)


def test_near_duplicates_are_one_group_and_other_papers_are_not(make_papers: Callable[[int], list[Paper]]) -> None:
    papers = make_papers(40)
    minhash = MinHash(shingle=3, bands=8, rows=4)
    edited = Paper(id="x", title="Another title", abstract=papers[3].abstract.replace("At last", "Finally"))
    retitled = Paper(id="y", title=papers[5].title.upper(), abstract="A wholly other abstract about something else.")
    found = group_duplicates(minhash.signature(paper) for paper in [*papers, edited, retitled])
    assert found[40] == found[3]
    assert found[41] == found[5]
    assert len(set(found.tolist())) == 40


def test_the_newest_groups_are_held_out_without_their_near_duplicates() -> None:
    # Papers 0 and 9 are near-duplicates with distant dates.
    days = np.arange(1, 11, dtype=np.int32)
    group = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 0], dtype=np.int32)
    part = split(days, group, Sizes(validation=2, held_out=3, validation_share=0.5, held_out_share=0.5))
    assert [SplitPart(value).name for value in part] == [
        "TRAIN", "TRAIN", "TRAIN", "TRAIN", "VALIDATION", "VALIDATION", "HELD_OUT", "HELD_OUT", "HELD_OUT", "NONE",
    ]  # fmt: skip


def test_only_one_paper_of_a_held_out_group_is_kept() -> None:
    days = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 9], dtype=np.int32)
    group = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8], dtype=np.int32)
    part = split(days, group, Sizes(validation=1, held_out=2, validation_share=0.5, held_out_share=0.5))
    assert (part[8], part[9]) == (SplitPart.HELD_OUT, SplitPart.NONE)


def test_a_corpus_without_dates_is_split_in_the_order_of_its_file() -> None:
    part = split(np.zeros(100, dtype=np.int32), np.arange(100, dtype=np.int32), SIZES)
    assert (part == SplitPart.TRAIN).sum() == 70
    assert (part[-20:] == SplitPart.HELD_OUT).all()


def test_no_group_has_members_in_two_parts(make_papers: Callable[[int], list[Paper]]) -> None:
    rng = np.random.default_rng(0)
    days, group = rng.integers(1, 50, 300).astype(np.int32), rng.integers(0, 100, 300).astype(np.int32)
    part = split(days, group, SIZES)
    for number in range(100):
        assert len(set(part[(group == number) & (part != SplitPart.NONE)].tolist())) <= 1
    assert days[part == SplitPart.TRAIN].max() <= days[part == SplitPart.HELD_OUT].min()
