"""Choose the partial snapshots of a build, and the order in which papers get vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.indexing import vector_steps
from akin.indexing.options import BuildOptions
from akin.indexing.vector_steps import FEWEST, VectorSteps, embedding_order, plan_steps
from retrieval_service.corpus import Manifest, SnapshotDirectory
from retrieval_service.corpus.directory import snapshot_id
from retrieval_service.corpus.manifest import EncoderRecord, write_manifest
from tests.unit.published import published_manifest


@pytest.mark.parametrize(
    ("papers", "stored", "ends"),
    [
        (FEWEST - 1, 0, []),
        (1_000_000, 999_000, []),  # few texts are missing
        (10_000, 0, [0, 2_000]),  # 1 % and 5 % are too few to be worth a snapshot
        (100_000, 0, [0, 5_000, 20_000]),
        (2_500_000, 0, [0, 25_000, 125_000, 500_000]),
        (2_500_000, 130_000, [0, 130_000, 500_000]),
        (100_000, 30_000, [0, 30_000]),
    ],
)
def test_steps_suit_the_number_of_texts_that_are_missing(papers: int, stored: int, ends: list[int]) -> None:
    assert plan_steps(papers, stored, None, by_words=True) == ends


def test_a_continued_build_begins_with_the_vectors_that_are_stored() -> None:
    assert plan_steps(100_000, 7_000, None, by_words=False) == [7_000, 20_000]
    # Without any vector there is nothing to lose.
    assert plan_steps(1_000, 0, (0.5,), by_words=False) == [500]
    assert plan_steps(10_000, 9_000, (0.5,), by_words=False) == [9_000]


def test_steps_that_are_given_are_taken_however_small() -> None:
    assert plan_steps(10, 0, (0.5, 0.1, 0.11), by_words=True) == [0, 1, 2, 5]
    assert plan_steps(10, 0, (), by_words=True) == []
    assert plan_steps(10, 10, (0.5,), by_words=True) == []


def test_stored_papers_come_first_then_the_newest_and_those_without_a_date_last() -> None:
    days = np.asarray([10, 30, 0, 20, 30, 5], np.int32)
    stored = np.asarray([False, False, False, False, False, True])
    assert embedding_order(days, stored).tolist() == [5, 1, 4, 3, 0, 2]


async def test_a_partial_snapshot_is_not_removed_between_its_publication_and_its_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots, encoder = SnapshotDirectory(tmp_path), EncoderRecord(1, "a" * 64, 2, None)
    cleared = []

    def publish(_: SnapshotDirectory, directory: Path, draft: Manifest, *, use: bool) -> Manifest:
        name = snapshot_id(directory)
        write_manifest(directory, msgspec.structs.replace(draft, id=name))
        snapshots.publish(directory)
        # Another command, which has just ended, clears up.
        cleared.append(SnapshotDirectory(tmp_path).remove_superseded())
        return msgspec.structs.replace(draft, id=name)

    monkeypatch.setattr(vector_steps, "publish", publish)
    draft = published_manifest(tmp_path, "draft", encoder)
    with snapshots.new_build() as directory:
        unused: Any = None
        steps = VectorSteps(snapshots, directory, draft, unused, unused, unused, BuildOptions(), lambda _: None)
        done = await steps._publish(directory, draft.index, with_vectors=0, use=False)
        assert cleared == [[done.id]]
        assert steps.base == done
    assert done.id in snapshots.ids()
