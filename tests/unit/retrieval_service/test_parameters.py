from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from retrieval_service.errors import BlankQuery, InvalidParameter, QueryTooLong
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.search.request import (
    EmbedRequest,
    Mode,
    SearchRequest,
    SimilarRequest,
    replace_unprintable,
    require_text,
)

SEARCH = Parameters(SearchRequest)


def asked(**values: Any) -> SearchRequest:
    return SEARCH.validate(values)


def test_defaults() -> None:
    assert asked(query=" graphs ") == SearchRequest(text="graphs", k=10, offset=0, mode=Mode.HYBRID)


@pytest.mark.parametrize("name", ["query", "abstract", "q"])
def test_other_names(name: str) -> None:
    assert asked(**{name: "graphs"}).text == "graphs"


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2019", None, (date(2019, 1, 1), None)),
        (None, "2019", (None, date(2019, 12, 31))),
        ("2020-02", "2020-02", (date(2020, 2, 1), date(2020, 2, 29))),
        ("2020-02-03", " 2020-02-03 ", (date(2020, 2, 3), date(2020, 2, 3))),
        ("", "", (None, None)),
    ],
)
def test_days(first: str | None, last: str | None, days: tuple[date | None, date | None]) -> None:
    request = asked(query="a", **{"from": first, "to": last})
    assert (request.first, request.last) == days


@pytest.mark.parametrize("day", ["20", "2020-13", "2020-00", "2020-2", "2021-02-29", "0000", "٢٠٢٠", "2020-01-01T00"])
@pytest.mark.parametrize("name", ["from", "to"])
def test_wrong_days_are_refused(name: str, day: str) -> None:
    with pytest.raises(InvalidParameter, match=name):
        asked(query="a", **{name: day})


@pytest.mark.parametrize(
    "given_as", ["cs.LG,hep-th", ["cs.LG", "hep-th"], ["cs.LG , hep-th"], " cs.LG,,hep-th, ", ["cs.LG", "", "hep-th"]]
)
def test_categories(given_as: object) -> None:
    assert asked(query="a", categories=given_as).categories == ("cs.LG", "hep-th")


def test_lists_of_categories_split_and_lists_of_names_do_not() -> None:
    request = asked(
        query="a",
        categories_all="cs.LG,math.*",
        exclude_categories=["cs.CV", "cs.RO"],
        authors="Erdős, Paul",
        ids="a,b",
    )
    assert request.categories_all == ("cs.LG", "math.*")
    assert request.exclude_categories == ("cs.CV", "cs.RO")
    assert request.authors == ("Erdős, Paul",)
    assert request.ids == ("a,b",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"authors": "  "}, {"authors": "..."}, {"authors": [1]}, {"authors": ["a"] * 33}, {"ids": ["x"] * 1001},
        {"ids": ""}, {"categories_all": 5}, {"exclude_categories": ["x" * 101]}, {"collapse": "perhaps"},
        {"unlike": ["a"]}, {"operators": []},
    ],
)  # fmt: skip
def test_wrong_conditions_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match=next(iter(wrong))):
        asked(query="a", **wrong)


def test_dislike_is_another_name_for_unlike() -> None:
    assert asked(like="a", dislike=["b", "c"]).unlike == asked(like="a", unlike=["b", "c"]).unlike == ("b", "c")
    with pytest.raises(InvalidParameter, match="names of the same parameter"):
        asked(like="a", unlike="b", dislike="b")


def test_nprobe_is_another_name_for_search_effort() -> None:
    assert asked(query="a", search_effort="7").search_effort == asked(query="a", nprobe=7).search_effort == 7
    assert asked(query="a").search_effort is None
    with pytest.raises(InvalidParameter, match="names of the same parameter"):
        asked(query="a", search_effort=3, nprobe=4)


def test_names_of_attributes_are_unknown_in_http() -> None:
    for name in ("text", "first", "last"):
        with pytest.raises(InvalidParameter, match="There is no parameter"):
            asked(query="a", **{name: "2020"})


def test_a_misspelt_name_is_refused_with_the_likely_one() -> None:
    with pytest.raises(InvalidParameter, match="Did you mean categories") as caught:
        asked(query="a", categoris="cs.LG")
    assert caught.value.detail == {"parameter": "categoris", "near": ["categories"]}


def test_names_and_lists_are_those_of_the_model() -> None:
    lists = {"categories", "categories_all", "exclude_categories", "authors", "ids"}
    assert SEARCH.lists == lists | {"like", "unlike", "dislike"}
    similar, embed = Parameters(SimilarRequest), Parameters(EmbedRequest)
    assert similar.lists == lists
    assert set(SEARCH.names) - set(similar.names) == {
        *("query", "abstract", "q", "like", "unlike", "dislike", "operators", "rerank"),
    }  # fmt: skip
    assert embed.names == ["abstract", "query", "q"]


def test_like() -> None:
    assert asked(like="2001.00001").like == ("2001.00001",)
    assert asked(like=["a ", "b"]).like == ("a", "b")
    # An id may hold a comma, so that one string is one id.
    assert asked(like="a,b").like == ("a,b",)


def test_a_query_string_may_repeat_names_of_lists_only() -> None:
    assert SEARCH.query_values([("categories", "a"), ("k", "3"), ("categories", "b")]) == {
        "categories": ["a", "b"],
        "k": "3",
    }
    assert asked(**SEARCH.query_values([("q", "a"), ("k", "3"), ("nprobe", "12")])).search_effort == 12
    with pytest.raises(InvalidParameter, match="k is given more than once"):
        SEARCH.query_values([("k", "1"), ("k", "2")])


def test_an_address_with_too_many_parameters_is_refused_before_it_is_read() -> None:
    def request_with(fields: int) -> Request:
        return Request({"type": "http", "query_string": b"&".join([b"q=x", *[b"ids=a"] * (fields - 1)]), "headers": []})

    assert len(SEARCH.parse_query_string(request_with(1000)).ids) == 999
    with pytest.raises(InvalidParameter, match="more than 2000 parameters"):
        SEARCH.parse_query_string(request_with(2001))


def test_the_length_is_counted_in_characters() -> None:
    assert len(require_text("x" * 20_000, "query")) == 20_000
    with pytest.raises(QueryTooLong) as caught:
        require_text("x" * 20_001, "query")
    assert caught.value.detail == {"parameter": "query", "length": 20_001, "limit": 20_000}


@given(st.text())
def test_control_characters_are_replaced(text: str) -> None:
    clean = replace_unprintable(text)
    assert len(clean) == len(text)
    clean.encode()
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in clean)


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\0", "\x1b\x07 \x85"])
def test_a_blank_query_is_refused(text: str) -> None:
    with pytest.raises(BlankQuery):
        asked(query=text)


def test_lone_surrogates_are_replaced() -> None:
    assert replace_unprintable("a\ud800b") == "a\ufffdb"
