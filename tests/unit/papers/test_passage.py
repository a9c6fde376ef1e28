import pytest
from hypothesis import given
from hypothesis import strategies as st

from akin.papers import PASSAGE_TEXT_VERSION, Paper, passage_text


@pytest.mark.parametrize(
    ("title", "abstract", "expected"),
    [
        ("Deep nets", "We train.", "Deep nets. We train."),
        ("Are nets deep?", "They are.", "Are nets deep? They are."),
        ("wings in a slipstream .", "a study .", "wings in a slipstream . a study ."),
        ("“Is it deep?”", "Yes.", "“Is it deep?” Yes."),
        ("Deep nets (in theory)", "Yes.", "Deep nets (in theory). Yes."),
        ("  Deep\n  nets ", "\tWe\r\n train. ", "Deep nets. We train."),
        ("", "We train.", "We train."),
        ("Deep nets", " \n", "Deep nets"),
        ("", "", ""),
    ],
)
def test_passage_text(title, abstract, expected):
    assert passage_text(Paper("1", title, abstract)) == expected


def test_version_is_pinned_with_the_texts_above():
    assert PASSAGE_TEXT_VERSION == 2


@given(st.text(), st.text())
def test_whitespace_is_always_collapsed(title, abstract):
    text = passage_text(Paper("1", title, abstract))
    assert text == " ".join(text.split())
