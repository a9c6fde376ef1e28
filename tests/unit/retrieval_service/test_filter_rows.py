"""Test how a request becomes a filter, and which rows it admits, by an evaluation of each paper by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import product
from time import monotonic
from typing import Any

import numpy as np
import pytest

from akin.papers import Paper
from retrieval_service.deadline import deadline
from retrieval_service.errors import DeadlineExceeded, InvalidQuery, NoReferences, UnknownCategory, UnknownPaper
from retrieval_service.filter import AllOf, AnyOf, Clause, Condition, Field, Filter, join_all, join_any, negate
from retrieval_service.search.filters import (
    archive_notes,
    category_codes,
    filter_rows,
    linked_rows,
    make_filter,
    rows_by_name,
)
from retrieval_service.search.operators import LONGEST_OF_OPERATORS, LONGEST_WITH_OPERATORS, parse_query
from retrieval_service.search.request import SearchRequest, Withdrawn

PAPERS = [
    Paper("2001.00001", "one", "a", categories=("cs.LG",), doi="10.5555/one"),
    Paper("2001.00002", "two", "b", categories=("cs.CV", "cs.LG")),
    Paper("own:3", "three", "c", categories=("hep-th",), doi="10.5555/three"),
    Paper("2001.00004", "four", "d", categories=("hep-th", "cs.LG")),
]


class Words:
    """Lexical index in which a clause names the rows that meet it: `0 2`."""

    def __init__(self) -> None:
        self.asked: list[list[Clause]] = []

    def find_rows(self, clauses: Sequence[Clause]) -> Any:
        self.asked.append(list(clauses))
        rows = np.arange(len(PAPERS))
        masks = [
            np.isin(rows, [int(row) for value in clause.values for row in str(value).split()]) != clause.excluded
            for clause in clauses
        ]
        return np.logical_and.reduce(masks)

    def values_without_terms(self, clause: Clause) -> tuple[str, ...]:
        return ()


class Citations:
    """Paper 1 cites 0 and 2; paper 3 cites 2."""

    pairs: Mapping[int, list[int]] = {1: [0, 2], 3: [2]}

    def cites(self, row: int) -> Any:
        return np.asarray(self.pairs.get(row, []), np.int64)

    def cited_by(self, row: int) -> Any:
        return np.asarray([one for one, others in self.pairs.items() if row in others], np.int64)


@pytest.fixture
def catalogue(fakes: Any) -> Any:
    return fakes.ListCatalogue(PAPERS)


def made(catalogue: Any, query: str = "", references: Any = None, **parameters: Any) -> Filter | None:
    request = SearchRequest(text=query or "words", **parameters)
    return make_filter(request, parse_query(query), catalogue, references)


def test_without_conditions_there_is_no_filter(catalogue: Any) -> None:
    assert made(catalogue) is None


@pytest.mark.parametrize(
    ("parameters", "clauses"),
    [
        ({"categories": ("cs.LG", "hep-th")}, {Clause(Field.CATEGORY, ("cs.LG", "hep-th"))}),
        (
            {"categories_all": ("cs.LG", "cs.CV")},
            {Clause(Field.CATEGORY, ("cs.LG",)), Clause(Field.CATEGORY, ("cs.CV",))},
        ),
        ({"exclude_categories": ("cs.CV",)}, {Clause(Field.CATEGORY, ("cs.CV",), excluded=True)}),
        ({"authors": ("Ada Verne",)}, {Clause(Field.AUTHOR, ("Ada Verne",))}),
        ({"ids": ("own:3", "2001.00001v4", "9999.00001")}, {Clause(Field.ROW, (0, 2))}),
        ({"ids": ("9999.00001",)}, {Clause(Field.ROW, ())}),
        ({"withdrawn": Withdrawn.EXCLUDE}, {Clause(Field.WITHDRAWN, (), excluded=True)}),
        ({"withdrawn": Withdrawn.ONLY}, {Clause(Field.WITHDRAWN, ())}),
        ({"cites": ("own:3",)}, {Clause(Field.ROW, (1, 3))}),
        ({"cited_by": ("2001.00002",)}, {Clause(Field.ROW, (0, 2))}),
    ],
)
def test_each_parameter_is_a_clause(catalogue: Any, parameters: dict[str, Any], clauses: set[Clause]) -> None:
    found = made(catalogue, references=Citations(), **parameters)
    assert found is not None
    assert set(found.clauses) == clauses
    assert (found.joined, found.first, found.last) == ((), None, None)


def test_days_of_the_request_and_of_the_query_hold_together(catalogue: Any) -> None:
    asked = {"first": date(2020, 6, 1), "last": date(2021, 6, 1)}
    for query, first, last in (
        ("", date(2020, 6, 1), date(2021, 6, 1)),
        ("date:2020", date(2020, 6, 1), date(2020, 12, 31)),
        ("date:2021", date(2021, 1, 1), date(2021, 6, 1)),
        ("date:[2019 TO 2022]", date(2020, 6, 1), date(2021, 6, 1)),
    ):
        found = made(catalogue, query, **asked)
        assert found is not None
        assert (found.first, found.last, found.clauses) == (first, last, ()), query
    for query, alone in (("date:2020", {}), ("", {"first": date(2020, 1, 1)}), ("", {"last": date(2020, 1, 1)})):
        assert made(catalogue, query, **alone) is not None


def test_joined_conditions_stay_joined_and_others_are_divided(catalogue: Any) -> None:
    found = made(catalogue, "(ti:a OR au:b) AND ti:c AND NOT date:2020")
    assert found is not None
    assert found.joined == (AnyOf((Clause(Field.TITLE, ("a",)), Clause(Field.AUTHOR, ("b",)))),)
    assert {clause.field for clause in found.clauses} == {Field.TITLE, Field.DAY}
    assert (found.first, found.last) == (None, None)  # an excluded day is no bound
    same = made(catalogue, "ti:c AND NOT date:2020 AND (ti:a OR au:b)")
    assert same == found


def test_categories_and_ids_within_joined_conditions_are_resolved(catalogue: Any) -> None:
    found = made(catalogue, "cat:cs.lg OR id:own:3 OR cites:own:3", references=Citations())
    assert found is not None
    [joined] = found.joined
    assert isinstance(joined, AnyOf)
    assert set(joined.parts) == {Clause(Field.CATEGORY, ("cs.LG",)), Clause(Field.ROW, (2,)), Clause(Field.ROW, (1, 3))}


def test_a_hundred_joined_conditions_are_the_most(catalogue: Any) -> None:
    def query(count: int) -> str:
        return " OR ".join(f"{('ti', 'abs')[number % 2]}:a{number} AND au:b{number}" for number in range(count // 2))

    assert made(catalogue, query(100)) is not None
    with pytest.raises(InvalidQuery, match="joins 102 conditions; at most 100"):
        made(catalogue, query(102))
    odd = f"{query(100)} OR id:own:3"
    with pytest.raises(InvalidQuery, match="joins 101 conditions"):
        made(catalogue, odd)


LEAVES: list[Clause] = [
    Clause(Field.CATEGORY, ("cs.LG",)),
    Clause(Field.CATEGORY, ("hep-th",), excluded=True),
    Clause(Field.ROW, (0, 2)),
    Clause(Field.TITLE, ("1 2",)),
    Clause(Field.AUTHOR, ("3",), excluded=True),
]


def meets(row: int, condition: Condition) -> bool:
    if isinstance(condition, Clause):
        if condition.field in (Field.CATEGORY, Field.ROW):
            there = bool({*PAPERS[row].categories, row} & set(condition.values))
        else:
            there = any(str(row) in str(value).split() for value in condition.values)
        return there != condition.excluded
    return (all if isinstance(condition, AllOf) else any)(meets(row, part) for part in condition.parts)


@pytest.mark.parametrize("kind", [AllOf, AnyOf])
def test_the_rows_are_those_of_the_papers_that_meet_everything(catalogue: Any, kind: Any) -> None:
    for one, two, three in product(LEAVES, repeat=3):
        joined = kind((one, two, AnyOf((three, two))))
        for wanted in (Filter((one,), joined=(joined,)), Filter((), joined=(joined,)), Filter((one, two))):
            found = filter_rows(wanted, catalogue, Words())  # type: ignore[arg-type]
            expected = [
                row for row in range(len(PAPERS)) if all(meets(row, each) for each in (*wanted.clauses, *wanted.joined))
            ]
            assert np.flatnonzero(found.mask).tolist() == expected
            assert found.count == len(expected)


def test_the_lexical_index_is_asked_for_its_own_fields_only(catalogue: Any) -> None:
    words = Words()
    filter_rows(Filter((LEAVES[0], LEAVES[3], LEAVES[4])), catalogue, words)  # type: ignore[arg-type]
    filter_rows(Filter((), joined=(AnyOf((LEAVES[2], LEAVES[3])),)), catalogue, words)  # type: ignore[arg-type]
    filter_rows(Filter((LEAVES[0],)), catalogue, words)  # type: ignore[arg-type]
    assert words.asked == [[LEAVES[3], LEAVES[4]], [LEAVES[3]]]


def test_joined_conditions_end_at_the_deadline(catalogue: Any) -> None:
    wanted = Filter((), joined=(AnyOf((LEAVES[0], LEAVES[2])),))
    with deadline(monotonic() - 1), pytest.raises(DeadlineExceeded):
        filter_rows(wanted, catalogue, Words())  # type: ignore[arg-type]


def test_names_are_ids_before_forms_of_ids_and_these_before_dois(catalogue: Any) -> None:
    names = [
        "own:3",
        "arXiv:2001.00001v2",
        "10.5555/three",
        "doi:10.5555/ONE",
        "https://doi.org/10.5555/one",
        "nothing",
    ]
    found = rows_by_name(names, catalogue)
    assert list(found) == names
    assert [found[name] for name in names[:3]] == [2, 0, 2]
    assert found["https://doi.org/10.5555/one"] == 0
    assert found["nothing"] is None
    assert rows_by_name([], catalogue) == {}


def test_links_name_what_is_missing(catalogue: Any) -> None:
    assert linked_rows(Field.CITES, ["own:3", "2001.00001"], catalogue, Citations()).tolist() == [1, 3]  # type: ignore[arg-type]
    assert linked_rows(Field.CITED_BY, ["2001.00002"], catalogue, Citations()).tolist() == [0, 2]  # type: ignore[arg-type]
    with pytest.raises(NoReferences, match="cites:own:3"):
        linked_rows(Field.CITES, ["own:3"], catalogue, None)
    with pytest.raises(UnknownPaper, match=r"no paper '9999\.1'.*write cited-by: with"):
        linked_rows(Field.CITED_BY, ["own:3", "9999.1"], catalogue, Citations())  # type: ignore[arg-type]


def test_three_similar_categories_are_suggested_at_most(catalogue: Any) -> None:
    with pytest.raises(UnknownCategory) as caught:
        category_codes(["cs.XX"], ())
    assert len(caught.value.detail["near"]) == 3
    with pytest.raises(UnknownCategory, match="GET /corpus lists"):
        category_codes(["zzzzzzzzzzzz"], ())


@pytest.mark.parametrize(
    ("query", "parameters", "named"),
    [
        ("dust", {}, []),
        ("dust", {"categories": ("cmp-lg", "cs.LG")}, ["cmp-lg"]),
        ("dust", {"categories_all": ("CMP-LG",)}, ["CMP-LG"]),
        ("dust", {"exclude_categories": ("cmp-lg",)}, []),
        ("dust cat:cmp-lg", {}, ["cmp-lg"]),
        ("dust -cat:cmp-lg", {}, []),
        ("(cat:cmp-lg OR ti:a) au:b", {}, ["cmp-lg"]),
        ('ti:"cmp-lg"', {}, []),
    ],
)
def test_an_archive_that_is_required_and_ended_is_remarked_on(
    query: str, parameters: dict[str, Any], named: list[str]
) -> None:
    request = SearchRequest(text=query, **parameters)
    notes = [str(note) for note in archive_notes(request, parse_query(query))]
    assert len(notes) == len(named)
    assert all(name in note for name, note in zip(named, notes, strict=True))


def test_the_lengths_from_which_a_text_is_pasted() -> None:
    start = "ti:graph "
    assert parse_query(start + "w" * (LONGEST_WITH_OPERATORS - len(start))).operators
    assert not parse_query(start + "w" * (LONGEST_WITH_OPERATORS - len(start) + 1)).operators
    filler = "ti:a" + " OR ti:a" * ((LONGEST_OF_OPERATORS - 4) // 8)
    exact = filler + "a" * (LONGEST_OF_OPERATORS - len(filler))
    assert len(exact) == LONGEST_OF_OPERATORS
    assert parse_query(exact).operators
    assert not parse_query(f"{exact}a").operators
    assert parse_query(f"{exact}a").notes


# --- joining and negating ---

A, B, C = (Clause(Field.TITLE, (value,)) for value in "abc")
DAY = Clause(Field.DAY, (1, 2))


def test_clauses_on_one_field_are_alternatives_of_one() -> None:
    assert join_any([A, AnyOf((B, A))]) == Clause(Field.TITLE, ("a", "b"))
    assert join_any([A, Clause(Field.AUTHOR, ("a",))]) == AnyOf((A, Clause(Field.AUTHOR, ("a",))))
    pattern = Clause(Field.TITLE, ("a*",), pattern=True)
    assert join_any([A, pattern]) == AnyOf((A, pattern))
    assert join_any([negate(A), negate(B)]) == AnyOf((negate(A), negate(B)))  # not (a and b)
    other = Clause(Field.DAY, (5, 6))
    assert join_any([DAY, other, DAY]) == AnyOf((DAY, other))  # days are one value each


def test_what_holds_together_is_flat_and_a_negation_reaches_the_clauses() -> None:
    assert join_all([A]) == A
    assert join_all([A, AllOf((B, C))]) == AllOf((A, B, C))
    assert negate(AllOf((A, AnyOf((B, negate(C)))))) == AnyOf((negate(A), AllOf((negate(B), C))))
    assert negate(negate(AnyOf((A, B)))) == AnyOf((A, B))
