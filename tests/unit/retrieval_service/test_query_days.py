"""Days in queries, in the forms of several sites."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from retrieval_service.errors import InvalidQuery
from retrieval_service.filter import Field, clauses_of
from retrieval_service.search.operators import parse_query
from retrieval_service.search.planner import plan_search
from retrieval_service.search.request import SearchRequest


def days(query: str) -> list[tuple[date, ...]]:
    found = [clause for operator in parse_query(query).operators for clause in clauses_of(operator.condition)]
    return [tuple(date.fromordinal(int(day)) for day in one.values) for one in found if one.field is Field.DAY]


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [
        ("submittedDate:[202401010000 TO 202412312359]", "2024-01-01", "2024-12-31"),
        ("submittedDate:[20240101 TO 20240630]", "2024-01-01", "2024-06-30"),
        ("submittedDate:[202301010600 TO 202401010600]", "2023-01-01", "2024-01-01"),
        ("submittedDate:[202301010000 TO 202401010000]", "2023-01-01", "2023-12-31"),
        ("submittedDate:[20240105 TO 20240105]", "2024-01-05", "2024-01-05"),
        ("submittedDate:[202401050000 TO 202401050000]", "2024-01-05", "2024-01-05"),
        ("submittedDate:[20240101000000 TO 20240101235959]", "2024-01-01", "2024-01-01"),
        ("submittedDate:[2022 TO 2023-02]", "2022-01-01", "2023-02-28"),
        ("submittedDate:[* TO 20231231]", "0001-01-01", "2023-12-31"),
        ("submittedDate:[20230101 TO *]", "2023-01-01", "9999-12-31"),
        ("submittedDate:%5B20230101+TO+20231231%5D", "2023-01-01", "2023-12-31"),
        ("year:2021", "2021-01-01", "2021-12-31"),
        ("year:2019-2021", "2019-01-01", "2021-12-31"),
        ("2019..2021", "2019-01-01", "2021-12-31"),
        ("after:2019", "2019-01-01", "9999-12-31"),
        ("since:2019-05", "2019-05-01", "9999-12-31"),
        ("before:2020", "0001-01-01", "2019-12-31"),
        ("until:2020", "0001-01-01", "2020-12-31"),
    ],
)
def test_days(written: str, first: str, last: str) -> None:
    assert days(written) == [(date.fromisoformat(first), date.fromisoformat(last))]
    if "+" not in written:
        assert days(f"dust {written} lanes") == days(written)
        assert parse_query(f"dust {written} lanes").words == "dust lanes"


@pytest.mark.parametrize(
    "query",
    [
        "submittedDate:[20241301 TO 20250101]",
        "submittedDate:[20240101 TO 20230101]",
        "submittedDate:[yesterday TO today]",
        "year:2024-13",
        "2021..2019",
    ],
)
def test_days_that_do_not_exist_are_refused(query: str) -> None:
    with pytest.raises(InvalidQuery, match="write"):
        parse_query(f"dust {query}")


def test_days_narrow_each_other_and_the_parameters(fakes: Any) -> None:
    catalogue = fakes.ListCatalogue(fakes.papers)
    request = SearchRequest(text="dust after:2019 before:2022", first=date(2020, 5, 1))
    admitted = plan_search(request, catalogue).admitted
    assert admitted is not None
    assert (admitted.first, admitted.last, admitted.clauses) == (date(2020, 5, 1), date(2021, 12, 31), ())
    either = plan_search(SearchRequest(text="year:2019 OR year:2021"), catalogue).admitted
    assert either is not None
    assert (either.first, either.last, len(either.joined)) == (None, None, 1)
