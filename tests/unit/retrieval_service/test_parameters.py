from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from retrieval_service.errors import BlankQuery, InvalidParameter, QueryTooLong
from retrieval_service.routes.embed import EmbedRequest
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.search.parameters import replace_unprintable, require_text
from retrieval_service.search.request import Mode, SearchRequest, SimilarRequest

SEARCH, EMBED = Parameters(SearchRequest), Parameters(EmbedRequest)


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


def test_an_abstract_is_a_text_that_a_search_may_embed_as_a_passage() -> None:
    request = asked(abstract=" We study graphs. ", k=3)
    assert (request.text, request.role) == ("We study graphs.", "abstract")
    assert request == SearchRequest(abstract="We study graphs.", k=3)
    assert asked(query="graphs").role == asked(q="graphs").role == asked(like="a").role == "query"
    with pytest.raises(InvalidParameter, match="Give either query or abstract, not both"):
        asked(query="graphs", abstract="We study graphs.")
    with pytest.raises(InvalidParameter, match="Give either query or like, not both"):
        asked(like="a", abstract="We study graphs.")
    for blank in ("", " \n", "..."):
        with pytest.raises(BlankQuery):
            asked(abstract=blank)
    with pytest.raises(QueryTooLong):
        asked(abstract="x" * 20_001)


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ({"abstract": "x"}, "passage"),
        ({"query": "x"}, "query"),
        ({"q": "x"}, "query"),
        ({"abstract": "x", "input_type": "query"}, "query"),
        ({"query": "x", "input_type": "passage"}, "passage"),
        ({"abstract": "x", "input_type": None}, "passage"),
    ],
)
def test_a_text_to_embed_has_the_role_of_its_name_or_the_one_given(given: dict[str, Any], role: str) -> None:
    request = EMBED.validate(given)
    assert (request.text, request.role) == ("x", role)


@pytest.mark.parametrize("wrong", ["title", "", "Query", 5, True, ["query"], {"query": 1}])
def test_a_wrong_role_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"input_type must be 'query' or 'passage'\.") as caught:
        EMBED.validate({"abstract": "x", "input_type": wrong})
    assert caught.value.detail == {"parameter": "input_type"}
    with pytest.raises(InvalidParameter, match="There is no parameter 'input_type'"):
        asked(query="x", input_type="query")


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
    lists = {"categories", "categories_all", "exclude_categories", "authors", "ids", "cites", "cited_by"}
    assert SEARCH.lists == lists | {"like", "unlike", "dislike"}
    similar = Parameters(SimilarRequest)
    assert similar.lists == lists
    assert set(SEARCH.names) - set(similar.names) == {
        *("query", "abstract", "q", "like", "unlike", "dislike", "operators", "suggest", "rerank", "feedback"),
    }  # fmt: skip
    assert EMBED.names == ["query", "q", "abstract", "input_type"]


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
    with pytest.raises(InvalidParameter, match="more than 4000 parameters"):
        SEARCH.parse_query_string(request_with(4001))


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


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "query": st.just("a b"),
            "abstract": st.just("a b"),
            "k": st.integers(1, 100),
            "from": st.sampled_from(["2020", "2021-03"]),
            "categories": st.just(["cs.LG"]),
            "nprobe": st.integers(1, 9),
            "mode": st.sampled_from(["dense", "hybrid"]),
            "like": st.just(["x"]),
        },
    )
)
def test_the_values_of_a_model_give_the_same_model(given_values: dict[str, Any]) -> None:
    try:
        model = SEARCH.validate(given_values)
    except InvalidParameter:
        return
    values = SEARCH.values(model)
    assert SEARCH.validate(values) == model
    assert "offset" not in values
