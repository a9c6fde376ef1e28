from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval_service.errors import InvalidQuery
from retrieval_service.filter import AnyOf, Clause, Field, Filter, clauses_of
from retrieval_service.search.filters import filter_rows
from retrieval_service.search.operators import LONGEST_WITH_OPERATORS, parse_query


def conditions(text: str) -> list[tuple[Field, tuple[str, ...], bool]]:
    found = [operator.condition for operator in parse_query(text).operators]
    return [(one.field, one.values, one.excluded) for one in found if isinstance(one, Clause)]


@pytest.mark.parametrize(
    ("written", "field", "values", "excluded"),
    [
        ('"neural operator"', Field.ANYWHERE, ("neural operator",), False),
        ("“neural operator”", Field.ANYWHERE, ("neural operator",), False),
        ("-transformer", Field.ANYWHERE, ("transformer",), True),
        ("-self-attention", Field.ANYWHERE, ("self-attention",), True),
        ('-"deep learning"', Field.ANYWHERE, ("deep learning",), True),
        ("ti:graph", Field.TITLE, ("graph",), False),
        ('abs:"dark matter"', Field.ABSTRACT, ("dark matter",), False),
        ("-ti:survey", Field.TITLE, ("survey",), True),
        ('au:"Erdős, Paul"', Field.AUTHOR, ("Erdős, Paul",), False),
        ("cat:cs.LG,math.*", Field.CATEGORY, ("cs.LG", "math.*"), False),
        ("-cat:cs.CV", Field.CATEGORY, ("cs.CV",), True),
        ("id:2001.00001,hep-th/9901001", Field.ROW, ("2001.00001", "hep-th/9901001"), False),
    ],
)
def test_each_operator(written: str, field: Field, values: tuple[str, ...], excluded: bool) -> None:
    assert conditions(f"some {written} words") == [(field, values, excluded)]
    assert conditions(written) == [(field, values, excluded)]
    assert parse_query(written).operators[0].text.translate(str.maketrans("“”", '""')) == written.translate(
        str.maketrans("“”", '""')
    )


def test_papers_are_ranked_by_the_other_words_and_those_of_phrases() -> None:
    query = parse_query('"neural operator" -transformer au:"Zongyi Li" ti:flow cat:cs.LG turbulence')
    assert query.words == "neural operator turbulence"
    assert parse_query("ti:flow -au:li").words == ""


@pytest.mark.parametrize(
    "text",
    [
        "state-of-the-art methods",
        "a - b",
        "-3 dB gain",
        "Ti:sapphire lasers",
        "ti: graph",
        'an 5" disk',
        '"unbalanced words',
        'what "a"b means',
        "doi:10.1000/1",
        "F-like ions (SMLE -CAM)",
        "e^{-x} decays",
        '"" and "-"',
        "memory at low power -",
        "  spaces   stay  ",
    ],
)
def test_words_stay_words(text: str) -> None:
    query = parse_query(text)
    assert (query.words, query.operators) == (text, ())


def test_a_pasted_text_has_no_operators() -> None:
    text = 'We study "graphs" ' + "word " * 60
    assert len(text) > LONGEST_WITH_OPERATORS
    assert parse_query(text).operators == ()
    assert parse_query(text).words == text


@given(st.text(alphabet='ab "-:tiau”“,()*ORNT[]', max_size=60))
def test_any_text_can_be_parsed(text: str) -> None:
    query = parse_query(text)
    assert all(operator.text and list(clauses_of(operator.condition)) for operator in query.operators)
    if not query.operators:
        assert query.words == text


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("excluded", [False, True])
def test_a_condition_without_a_word_is_refused(joined: bool, excluded: bool, fakes: Any) -> None:
    corpus = fakes.Corpus(fakes.papers, {}, {})
    silent, other = Clause(Field.TITLE, ("…",), excluded), Clause(Field.CATEGORY, ("cs.LG",))
    wanted = Filter((other,), joined=(AnyOf((silent, other)),)) if joined else Filter((other, silent))
    with pytest.raises(InvalidQuery, match="leave it out"):
        filter_rows(wanted, corpus.catalogue, corpus.lexical)
    assert filter_rows(Filter((other,)), corpus.catalogue, corpus.lexical).count == 3
