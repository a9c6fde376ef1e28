"""Where texts have terms, by words that are analysed once."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import chain, product
from random import Random
from string import ascii_lowercase

import pytest

from retrieval_service.adapters import word_forms
from retrieval_service.adapters.english import english_analyzer
from retrieval_service.adapters.tex import to_plain_text
from retrieval_service.adapters.word_forms import WordForms
from retrieval_service.ports import Match

_ANALYZER = english_analyzer()


def terms_of(word: str) -> list[str]:
    return list(_ANALYZER.analyze(to_plain_text(word)))


@pytest.mark.parametrize(
    ("text", "terms", "words"),
    [
        ("networks net networks, (net) net", {"net"}, ["net", "net", "net"]),
        ("net net\u00a0net\nnet", {"net"}, ["net"] * 4),
        ("xnet netx net-x x-net", {"net"}, ["net", "net"]),
        ("co-op co op", {"coop", "co", "op"}, ["co-op", "co", "op"]),
        ("co-op co op", {"co"}, ["co", "co"]),
        ("H$_2$O and CO$_2$-rich gas", {"h2o", "co2"}, ["H$_2$O", "CO$_2$"]),
        ("", {"net"}, []),
        ("net", set(), []),
    ],
)
def test_places_are_those_of_whole_words(text: str, terms: Collection[str], words: list[str]) -> None:
    forms = WordForms(terms_of)
    for _ in range(2):  # the second time from the words that were kept
        (found,) = forms.find([text], terms)
        assert [text[one.start : one.end] for one in found] == words
        assert [one.start for one in found] == sorted(one.start for one in found)


def test_a_word_is_analysed_once_for_all_texts_and_a_long_one_each_time() -> None:
    asked: list[str] = []

    def analyse(word: str) -> list[str]:
        asked.append(word)
        return [word]

    forms = WordForms(analyse)
    for text in ("one two", "two three", f"three {'x' * 100}", "x" * 100):
        forms.find([text], {"one", "two", "three", "x" * 100})
    assert sorted(asked) == ["one", "three", "two", "x" * 100, "x" * 100]


def test_only_words_that_may_have_a_wanted_term_are_analysed() -> None:
    asked: list[str] = []

    def analyse(word: str) -> list[str]:
        asked.append(word)
        return [word]

    forms = WordForms(analyse)
    forms.find(["nets, network (Networks) names dying sky-high CO$_2$ naïve n"], {"netw", "sky"})
    assert set(asked) == {"nets", "network", "Networks", "dying", "skyhigh", "sky", "high", "CO$_2$", "naïve"}


def test_no_word_of_english_is_left_out_whose_term_is_wanted() -> None:
    short = map("".join, chain.from_iterable(product("adeginsty", repeat=length) for length in (1, 2, 3, 4)))
    ends = ("ying", "ing", "ies", "ied", "ed", "eed", "eedly", "ingly", "ay", "yed", "ational", "fulness")
    words = {*short, *(first + end for first in ascii_lowercase for end in ends), "skies", "skis", "idly", "gently"}
    missing = [
        word
        for word in words
        for term in _ANALYZER.analyze(word)
        if WordForms(_ANALYZER.analyze).find([f"({word.title()})"], {term}) != [[Match(1, 1 + len(word), term)]]
    ]
    assert not missing


def test_the_words_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_forms, "_MOST_KEPT", 10)
    forms = WordForms(terms_of)
    for number in range(100):
        text = f"net word{number}"
        assert [text[one.start : one.end] for one in forms.find([text], {"net", f"word{number}"})[0]] == text.split()
        assert len(forms._kept) <= 10


def test_many_texts_have_the_places_that_an_analysis_of_every_word_finds() -> None:
    random = Random(7)
    pieces = ["net", "networks", "(net)", "xnet", "co-op", "coop", "CO$_2$", "naïve", "α-decay", "net-", "a" * 50]
    pieces += [
        "x-rays",
        "X-Ray",
        "3-manifold",
        "ab-tree",
        "net/networks",
        "dying",
        "H_2O",
        "-net",
        "''net''s",
        "\udcffnet",
    ]
    spaces = [" ", "\n", "  ", "\u00a0", "\x1f", "\t"]
    wanted = [
        "net",
        "network",
        "co",
        "op",
        "coop",
        "co2",
        "naiv",
        "alpha",
        "decay",
        "xray",
        "3manifold",
        "abtre",
        "die",
    ]
    forms = WordForms(terms_of)
    for _ in range(400):
        texts = [
            "".join(random.choice(pieces) + random.choice(spaces) for _ in range(random.randrange(9)))
            for _ in range(random.randrange(1, 6))
        ]
        terms = set(random.sample(wanted, 5))
        assert forms.find(texts, terms) == [
            [
                Match(word.start() + one.start, word.start() + one.end, one.term)
                for word in re.finditer(r"\S+", text)
                for one in word_forms._wanted(WordForms(terms_of)._analyse(word[0]), terms)
            ]
            for text in texts
        ]
