"""Conditions that many papers meet: the rows are right, and few of them are fetched one by one."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tantivy import Query

from akin.indexing import common_conditions
from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper
from retrieval_service.adapters import tantivy_filter
from retrieval_service.adapters.common_rows import COMMON_ROWS, CommonRows
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.filter import Clause, Field
from tests.people import people

PAPERS = 1_200
FEWEST = 60
AT_ONCE = 50
NAMES = ("Wei Wang", "Paul Erdős", "Paul M. Erdős", "W. Wang", "Ada Lovelace", "A. B. Wang", "Li Wang")
WORDS = ("neural", "network", "networks", "model", "state of the art", "graph", "deep", "learning", "naïve", "the")


def papers_of_few_words(count: int, seed: int = 3) -> list[Paper]:
    """Return papers with frequent phrases; a part of them has fewer words than the rest."""
    dice = random.Random(seed)
    papers = []
    for number in range(count):
        few = WORDS[:4] if count // 4 < number < count // 2 else WORDS
        title, abstract = (" ".join(dice.choices(few, k=length)) for length in (3, 12))
        rare = f" w{number % 400}"
        papers.append(Paper(f"own:{number}", title, abstract + rare, people(*dice.sample(NAMES, 2)), ("cs.LG",)))
    return papers


def clauses() -> list[Clause]:
    """Return conditions of every kind, common and rare."""
    fields = (Field.TITLE, Field.ABSTRACT, Field.ANYWHERE)
    texts = (*WORDS, "neural network", "network model graph", "neural network model deep", "w7", "no such words")
    wanted = [Clause(field, (text,)) for field in fields for text in texts]
    wanted += [Clause(Field.ANYWHERE, ("graph", "neural network")), Clause(Field.CATEGORY, ("cs.LG", "hep-th"))]
    wanted += [Clause(Field.AUTHOR, (name,)) for name in (*NAMES, "w", "a", "wang", "erdos", "nobody", "-")]
    wanted.append(Clause(Field.AUTHOR, ("wang", "Ada Lovelace", "p")))
    return wanted + [Clause(clause.field, clause.values, excluded=True) for clause in wanted]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set bounds that a small corpus reaches."""
    monkeypatch.setattr(common_conditions, "FEWEST", FEWEST)
    monkeypatch.setattr(tantivy_filter, "AT_ONCE", AT_ONCE)


@pytest.fixture
def lexical(tmp_path: Path, small: None) -> Path:
    directory = tmp_path / "lexical"
    with LexicalWriter(directory) as writer:
        writer.add(0, papers_of_few_words(PAPERS))
        writer.close()
    return directory


def expected(index: TantivyIndex, clause: Clause) -> NDArray[np.bool_]:
    """Return the rows of one search that fetches all of them."""
    query = index._clauses.query(clause)
    if query is None:
        return np.ones(len(index), np.bool_)
    hits = index._searcher.search(Query.const_score_query(query, 1.0), len(index)).hits
    mask = np.zeros(len(index), np.bool_)
    mask[index._searcher.fast_field_values("row", [address for _, address in hits])] = True
    return mask != clause.excluded


def assert_same_rows(index: TantivyIndex) -> None:
    for clause in clauses():
        np.testing.assert_array_equal(index.find_rows([clause]), expected(index, clause), str(clause))


def continued(base: Path, directory: Path) -> Path:
    """Return an index that continues another one with linked files: some rows have other papers, and there are more."""
    shutil.copytree(base, directory, copy_function=lambda one, other: Path(other).hardlink_to(one))
    for path in directory.glob("*.json"):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    others = papers_of_few_words(PAPERS + 300, seed=4)
    changed = list(range(0, PAPERS, 7))
    with LexicalWriter(directory, continued=True) as writer:
        writer.delete(changed)
        for row in changed:
            writer.add(row, [others[row]])
        writer.add(PAPERS, others[PAPERS:])
        writer.close()
    return directory


class CountedSearcher:
    """A searcher that counts its searches and the rows that it returns, and calls `then` before one of them."""

    def __init__(self, searcher: Any) -> None:
        self.searcher = searcher
        self.searches = self.most = self.total = self.at = 0
        self.then = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.searcher, name)

    def search(self, *arguments: Any, **named: Any) -> Any:
        self.searches += 1
        if self.searches == self.at:
            self.then()
        found = self.searcher.search(*arguments, **named)
        self.most = max(self.most, len(found.hits))
        self.total += len(found.hits)
        return found


def counted(directory: Path) -> tuple[TantivyIndex, CountedSearcher]:
    index = TantivyIndex(directory)
    searcher = CountedSearcher(index._searcher)
    index._searcher = index._rows._searcher = searcher  # type: ignore[assignment]
    return index, searcher


def test_common_conditions_have_the_rows_of_one_full_search(lexical: Path) -> None:
    assert_same_rows(TantivyIndex(lexical))


def test_common_words_phrases_and_names_have_bitmaps(lexical: Path) -> None:
    found = CommonRows(lexical).conditions
    assert ("abstract", ((0, "neural"),)) in found
    assert ("abstract", ((0, "neural"), (1, "network"))) in found
    assert ("abstract", ((0, "state"), (1, "of"), (2, "the"), (3, "art"))) in found
    assert {("author", ((0, "wang"),)), ("author", ((0, "w*"),))} <= set(found)
    assert ("abstract", ((0, "w7"),)) not in found


def test_a_condition_with_a_bitmap_fetches_no_rows(lexical: Path) -> None:
    index, searcher = counted(lexical)
    for clause in (
        Clause(Field.ANYWHERE, ("model",), excluded=True),
        Clause(Field.ANYWHERE, ("neural",)),
        Clause(Field.ABSTRACT, ("neural network",)),
        Clause(Field.AUTHOR, ("a",)),
        Clause(Field.AUTHOR, ("wang", "p")),
    ):
        assert index.find_rows([clause]).any()
    assert searcher.total == 0


@pytest.mark.parametrize("made_before", [False, True])
def test_no_condition_fetches_many_rows_at_once(lexical: Path, made_before: bool) -> None:
    if made_before:
        (lexical / COMMON_ROWS).unlink()
    index, searcher = counted(lexical)
    for clause in clauses():
        index.find_rows([clause])
    assert 0 < searcher.most <= AT_ONCE


def test_a_condition_that_most_papers_meet_fetches_the_other_rows(lexical: Path) -> None:
    (lexical / COMMON_ROWS).unlink()
    index, searcher = counted(lexical)
    meeting = int(np.count_nonzero(index.find_rows([Clause(Field.ABSTRACT, ("neural",))])))
    assert meeting > 0.6 * PAPERS
    assert searcher.total <= PAPERS - meeting + 2 * AT_ONCE


def test_an_index_without_bitmaps_has_the_same_rows(lexical: Path) -> None:
    (lexical / COMMON_ROWS).unlink()
    index = TantivyIndex(lexical)
    assert len(index._rows._common) == 0
    assert_same_rows(index)


def test_a_continued_index_has_its_own_bitmaps(lexical: Path, tmp_path: Path) -> None:
    before = (lexical / COMMON_ROWS).read_bytes()
    other = continued(lexical, tmp_path / "other")
    assert (lexical / COMMON_ROWS).read_bytes() == before
    assert len(CommonRows(other)) > 10
    assert_same_rows(TantivyIndex(other))
    assert_same_rows(TantivyIndex(lexical))


def test_bitmaps_of_another_index_are_not_read(lexical: Path, tmp_path: Path) -> None:
    other = continued(lexical, tmp_path / "other")
    (other / COMMON_ROWS).unlink()
    shutil.copyfile(lexical / COMMON_ROWS, other / COMMON_ROWS)
    index = TantivyIndex(other)
    assert len(index._rows._common) == 0
    assert_same_rows(index)


@pytest.mark.parametrize("kept", [0, 5, 1000, -1])
def test_the_error_names_damaged_bitmaps(lexical: Path, kept: int) -> None:
    path = lexical / COMMON_ROWS
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SnapshotInvalid, match=COMMON_ROWS):
        TantivyIndex(lexical)


def test_a_small_index_has_no_bitmaps(tmp_path: Path) -> None:
    with LexicalWriter(tmp_path / "lexical") as writer:
        writer.add(0, papers_of_few_words(100))
        writer.close()
    assert CommonRows(tmp_path / "lexical").conditions == []
    assert_same_rows(TantivyIndex(tmp_path / "lexical"))


@pytest.mark.parametrize("bitmaps", [True, False])
def test_several_clauses_match_the_rows_that_meet_each_of_them(lexical: Path, bitmaps: bool) -> None:
    if not bitmaps:
        (lexical / COMMON_ROWS).unlink()
    index, dice, every = TantivyIndex(lexical), random.Random(5), clauses()
    wanted = {clause: expected(index, clause) for clause in every}
    for count in (2, 2, 3, 3, 4, 8, 30) * 4:
        some = dice.sample(every, count)
        meeting = np.logical_and.reduce([wanted[clause] for clause in some])
        assert np.array_equal(index.find_rows(some), meeting), some
