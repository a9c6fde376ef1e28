from __future__ import annotations

import pytest

from retrieval_service.adapters.english import STOP_WORDS, english_analyzer
from retrieval_service.adapters.tex import to_plain_text


def terms(text: str) -> list[str]:
    return list(english_analyzer().analyze(to_plain_text(text)))


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
        ("Poincaré conjecture", r"Poincar\'e conjecture"),
        ("Ørsted", r"{\O}rsted"),
        ("Kołodziej", r"Ko\l{}odziej"),
        ("straße", r"stra{\ss}e"),
        ("α-decay", r"$\alpha$-decay"),
        ("alpha-decay", r"$\alpha$-decay"),
        ("ΛCDM", r"$\Lambda$CDM"),
        ("μm", r"$\mu$m"),
        ("ϵ-greedy", r"$\varepsilon$-greedy"),
        ("CO2", r"CO$_2$"),
        ("CO₂", r"CO$_{2}$"),
        ("13C", r"$^{13}$C"),
        ("R²", r"$R^2$"),
        ("N=4", r"$\mathcal{N}=4$"),
        ("ab initio", r"\textit{ab initio}"),
        ("deep learning", "{D}eep {L}earning"),
        ("x̄ value", "x value"),
        ("Navier–Stokes", "Navier--Stokes"),
        ("spin‑orbit", "spin\u2010orbit"),
        ("10,000 papers", "10000 papers"),
        ("1{,}000{,}000", "1000000"),
        ("dʼAlembert", "d'Alembert"),
        ("$k$-means", "k-means"),
        ("non-$p$-adic", "non-p-adic"),
        ("C++", "c++"),
        ("ﬂuid", "fl\u00aduid"),
        ("ΣΟΦΟΣ", "σοφός"),
        ("İstanbul", "Istanbul"),
        ("İZMİR", "izmir"),
        ("Işık", "Isik"),
        ("Ёлка", "елка"),
        ("чёрный", "черныи\u0306"),
    ],
)
def test_spellings_of_a_word_are_one_term(one: str, other: str) -> None:
    assert terms(one) == terms(other) != []


def test_tex_commands_are_not_accents() -> None:
    assert terms(r"\beta decay") == terms("beta decay")
    assert terms(r"\cdot \bar{x} \Hilbert") == terms("x Hilbert")
    assert terms(r"\tau\rightarrow\mu") == terms("τ → μ") == terms("tau mu")
    assert terms(r"\log \oint") == terms("log oint")


def test_signs_tell_languages_apart() -> None:
    assert len({tuple(terms(name)) for name in ("C", "C++", "C#", "F#")}) == 4
    assert terms(r"C\#") == terms("C#")


def test_numbers_in_a_list_stay_apart() -> None:
    assert terms("1,2,3 and 10,20") == ["1", "2", "3", "10", "20"]
    assert terms("3,1415") == ["3", "1415"]


def test_words_that_only_look_like_mathematics_stay() -> None:
    assert terms("x_train snake_case") == ["x", "train", "snake", "case"]
    assert len(terms("λόγος")) == 1


def test_function_words_have_no_terms() -> None:
    assert terms("What is it that we don't know about the other one?") == terms("know")
    assert len(STOP_WORDS) == len(set(STOP_WORDS))


def test_other_letters_stay_apart() -> None:
    assert terms("чей") != terms("чеи")
