"""Conversion between the page's state and its address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradio_ui.state import MODES, SORTS, WITHDRAWN, PageState, make_state, read_address

_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # these are left out
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters=_DIRECTIONS)
_WORDS = st.text(_CHARACTERS, max_size=60).map(str.strip)
_IDS = st.lists(_WORDS.filter(bool), max_size=3, unique=True).map(tuple)
_CODES = st.lists(_WORDS.filter(lambda code: bool(code) and "," not in code), max_size=3, unique=True).map(tuple)
_YEARS = st.none() | st.integers(1000, 9999)


@st.composite
def states(draw: st.DrawFn) -> PageState:
    """Return a strategy for all states of the page."""
    q = draw(_WORDS)
    like = () if q else draw(_IDS)
    first, last = draw(_YEARS), draw(_YEARS)
    if first is not None and last is not None:
        first, last = sorted((first, last))
    return PageState(
        q=q,
        like=like,
        unlike=draw(_IDS) if like else (),
        mode=draw(st.sampled_from(MODES)),
        categories=draw(_CODES),
        from_year=first,
        to_year=last,
        withdrawn=draw(st.sampled_from(WITHDRAWN)),
        sort=draw(st.sampled_from(SORTS)),
        varied=draw(st.booleans()),
        boosted=draw(st.booleans()),
        chase=draw(st.booleans()),
        k=draw(st.integers(1, 100)),
        offset=draw(st.integers(0, 1000)),
    )


@given(states())
def test_an_address_restores_the_state_it_was_written_from(state: PageState) -> None:
    assert read_address(state.address()) == (state, ())
    assert state.address().isascii()


@given(st.text(max_size=200))
def test_no_address_is_an_error(text: str) -> None:
    state, _ = read_address(text)
    assert read_address(state.address()) == (state, ())


@given(st.text(), st.text(), st.text(), st.text(), st.text(), st.text())
def test_no_value_is_an_error(q: str, mode: str, code: str, year: str, k: str, offset: str) -> None:
    state, _ = make_state(q=q, mode=mode, categories=[code], from_year=year, to_year=year, k=k, offset=offset)
    assert read_address(state.address())[0] == state


def test_defaults_are_not_in_the_address() -> None:
    assert PageState().address() == ""
    assert PageState(q="a b&c").address() == "?q=a+b%26c"
    assert PageState(like=("hep-th/9901001",)).address() == "?like=hep-th%2F9901001"


@pytest.mark.parametrize(
    ("address", "kept", "named"),
    [
        ("?q=x&mode=magic", PageState(q="x"), "magic"),
        ("?q=x&withdrawn=perhaps", PageState(q="x"), "perhaps"),
        ("?q=x&sort=best", PageState(q="x"), "best"),
        ("?q=x&k=0", PageState(q="x"), "number of results"),
        ("?q=x&k=101", PageState(q="x"), "101"),
        ("?q=x&k=" + "9" * 5000, PageState(q="x"), "number of results"),
        ("?q=x&offset=-1", PageState(q="x"), "offset"),
        ("?q=x&from=last+year", PageState(q="x"), "first year"),
        ("?q=x&to=nan", PageState(q="x"), "last year"),
        ("?q=x&like=y", PageState(q="x"), "only the query"),
        ("?q=x&from=2025&to=2020", PageState(q="x", from_year=2020, to_year=2025), "2020 to 2025"),
        ("?" + "a=b&" * 500, PageState(), "too many"),
    ],
)
def test_a_bad_value_is_left_out_and_named(address: str, kept: PageState, named: str) -> None:
    state, notes = read_address(address)
    assert state == kept
    assert len(notes) == 1
    assert named in str(notes[0])


def test_a_note_shows_little_of_a_long_value() -> None:
    _, notes = read_address("?q=x&mode=" + "m" * 10_000)
    assert len(notes[0]) < 120


def test_marks_that_turn_the_direction_of_writing_are_left_out() -> None:
    state, notes = read_address("?q=%E2%80%AEgraph+networks%E2%80%AC&mode=%E2%81%A6x")
    assert state.q == "graph networks"
    assert "\u2066" not in str(notes[0])
    assert read_address("?q=%D7%A9%D7%9C%D7%95%D7%9D")[0].q == "שלום"


def test_categories_may_be_repeated_or_separated_by_commas() -> None:
    state, notes = read_address("categories=cs.LG,cs.CL&categories=stat.ML&categories=cs.LG&utm_source=mail")
    assert state.categories == ("cs.LG", "cs.CL", "stat.ML")
    assert notes == ()


def test_numbers_of_the_inputs_become_whole() -> None:
    state, notes = make_state(q=" x ", from_year=2020.0, to_year=None, k=25.0, categories=None)
    assert (state.q, state.from_year, state.to_year, state.k) == ("x", 2020, None, 25)
    assert notes == ()
    assert make_state(q="x", k=float("inf"))[0].k == 10


def test_pages_follow_each_other() -> None:
    state = PageState(q="x", k=7, offset=3)
    following = state.next_page()
    assert following is not None
    assert following.offset == 10
    assert following.previous_page() == state
    assert PageState(q="x", offset=990).next_page() == PageState(q="x", offset=1000)
    for last in (PageState(q="x", offset=1000), PageState(q="x", offset=950, k=100)):
        assert last.next_page() is None
    assert state.previous_page().offset == 0


def test_similar_keeps_the_filters_and_starts_at_the_first_page() -> None:
    state = PageState(q="x", mode="dense", categories=("cs.LG",), from_year=2020, offset=20)
    assert state.similar_to("a/1") == PageState(like=("a/1",), mode="dense", categories=("cs.LG",), from_year=2020)
    assert state.without_filters() == PageState(q="x", mode="dense")


def test_papers_are_added_to_both_sides() -> None:
    state = PageState(like=("a",), mode="dense", offset=20)
    assert state.also_like("b").not_like("c").also_like("b") == PageState(like=("a", "b"), unlike=("c",), mode="dense")
    assert state.not_like("c").similar_to("d") == PageState(like=("d",), mode="dense")
    assert read_address("?q=x&unlike=c") == (PageState(q="x"), ())


def test_withdrawn_papers_left_out_are_a_filter() -> None:
    state = PageState(q="x", withdrawn="exclude", offset=10)
    assert state.address() == "?q=x&withdrawn=exclude&offset=10"
    assert state.similar_to("a").withdrawn == "exclude"
    assert (state.has_filters, state.without_filters()) == (True, PageState(q="x"))
    assert not PageState(q="x", offset=10).has_filters


def test_deep_is_part_of_the_state() -> None:
    state = PageState(q="x", deep=True, k=20)
    assert state.address() == "?q=x&deep=1&k=20"
    assert read_address(state.address()) == (state, ())
    assert state.next_page() == PageState(q="x", deep=True, k=20, offset=20)
    assert [read_address(f"?q=x&deep={value}")[0].deep for value in ("", "0", "false", "1", "yes")] == [
        *(False,) * 3,
        *(True,) * 2,
    ]


def test_an_order_is_part_of_the_state_and_starts_at_the_first_page() -> None:
    state = PageState(q="x", sort="newest", offset=20)
    assert state.address() == "?q=x&sort=newest&offset=20"
    assert state.sorted_by("relevance") == PageState(q="x")
    assert state.similar_to("a") == PageState(like=("a",), sort="newest")
    assert not PageState(q="x", sort="newest").has_filters
