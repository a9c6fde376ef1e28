from __future__ import annotations

import pytest

from retrieval_service.adapters.english import STOP_WORDS, english_analyzer, plain


def terms(text: str) -> list[str]:
    return list(english_analyzer().analyze(plain(text)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Erdős", r"Erd\H{o}s"),
        ("Schrödinger", r"Schr\"odinger"),
        ("Gödel", r"G{\"o}del"),
        ("naïve", r"na\"{\i}ve"),
        ("Poincaré", r"Poincar\'{e}"),
        ("Poincaré", "POINCARE"),
        ("Čech", r"\v{C}ech"),
        ("efficient", "eﬃcient"),
        ("ＴＥＸＴ", "text"),
        ("retrieving documents", "Retrieved Document"),
    ],
)
def test_ways_of_writing_are_one_term(one: str, other: str) -> None:
    assert terms(one) == terms(other) != []


def test_tex_commands_are_not_accents() -> None:
    assert terms(r"\beta decay") == terms("beta decay")
    assert terms(r"\cdot \bar{x} \Hilbert") == terms("cdot bar x Hilbert")
    assert terms(r"\tau\rightarrow\mu") == terms("tau rightarrow mu")


def test_function_words_say_nothing() -> None:
    assert terms("What is it that we don't know about the other one?") == terms("know")
    assert len(STOP_WORDS) == len(set(STOP_WORDS))
