import pytest
from hypothesis import given
from hypothesis import strategies as st

from akin.papers.sentences import ends_sentence, sentence_spans, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One is here. Two (e.g. this) too! $x$ is three?", ["One is here.", "Two (e.g. this) too!", "$x$ is three?"]),
        ("See Lee et al. and others.  3 papers follow.", ["See Lee et al. and others.", "3 papers follow."]),
        ("It ends. (Or not.) \\emph{New} ones.", ["It ends. (Or not.) \\emph{New} ones."]),
        ("It is $x$. \\emph{New} ones.", ["It is $x$.", "\\emph{New} ones."]),
        ("A paragraph\nends. Another\nSentence.", ["A paragraph ends.", "Another Sentence."]),
        ("No end at all", ["No end at all"]),
        (" \n", []),
    ],
)
def test_split_sentences(text, sentences):
    assert split_sentences(text) == sentences


def test_the_last_piece_holds_what_is_left():
    assert split_sentences("One. Two.  Three.", cuts=1) == ["One.", "Two.  Three."]


def test_ends_sentence():
    assert ends_sentence("“Is it deep?”")
    assert not ends_sentence("Deep nets (in theory)")


@given(st.text(st.sampled_from("aB. \n?!$\\1"), max_size=60))
def test_spans_are_the_sentences_where_no_formula_is_cut(text: str) -> None:
    text = text.replace("$", "").replace("\\", "").strip()
    spans = sentence_spans(text)
    assert [text[start:end].replace("\n", " ") for start, end in spans] == split_sentences(text)
