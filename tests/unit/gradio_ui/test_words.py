"""Texts of the page in every language."""

from __future__ import annotations

import re
from datetime import date

import pytest

from gradio_ui.words import DEFAULT, LANGUAGES, choose_language, words


def places(text: str) -> set[str]:
    return set(re.findall(r"\{\w*\}", text))


OTHERS = [code for code in LANGUAGES if code != DEFAULT]


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_every_text_with_the_same_places(language: str) -> None:
    own, reference = words(language), words(DEFAULT)
    assert own.language == language
    assert sorted(own.texts) == sorted(reference.texts)
    for key, text in own.texts.items():
        assert text.strip() or key == "form.thousands", key
        assert places(text) == places(reference.texts[key]), key
        assert text.count("`") == reference.texts[key].count("`"), key


@pytest.mark.parametrize("language", OTHERS)
def test_texts_are_translated(language: str) -> None:
    reference = words(DEFAULT).texts
    same = [key for key, text in words(language).texts.items() if text == reference[key]]
    same = [key for key in same if re.search(r"[A-Za-z]{3}", re.sub(r"\{\w*\}", "", reference[key]))]
    assert [key for key in same if not key.startswith(("form.", "mode.", "paper.abstract"))] == []


# Other German names of what has one name on the page: Treffer, Zitation, Encoder, Version, ID, Wortfolge, Suchweise,
# Abstract, das Korpus.
TWINS = re.compile(
    r"Ergebnis|Zitate|Kodierer|Fassung|Kennung|Wendung|Modus|Zusammenfassung|\b[Dd]e[rn] Korpus|\b[Dd]u\b|\b[Dd]ein"
)


def test_a_thing_has_one_name_in_german() -> None:
    assert {key: text for key, text in words("de").texts.items() if TWINS.search(text)} == {}


def test_a_sentence_behind_a_colon_begins_with_a_capital_in_german() -> None:
    """Such sentences are requests ("wählen Sie ..."); what is no whole sentence stays small."""
    small = re.compile(r": [a-zäöü]\w+ Sie\b")
    assert [key for key, text in words("de").texts.items() if small.search(text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_and_dates(language: str) -> None:
    text = words(language)
    assert text.number(1_234_567) == {"en": "1,234,567", "de": "1.234.567"}[language]
    assert text.day(date(2024, 3, 5)) == {"en": "5 Mar 2024", "de": "5. März 2024"}[language]


@pytest.mark.parametrize(
    ("accepted", "asked", "language"),
    [
        (None, None, "en"),
        ("de", None, "de"),
        ("de-CH,de;q=0.9,en;q=0.8", None, "de"),
        ("fr, en;q=0.4, de;q=0.8", None, "de"),
        ("en;q=0.8, de;q=0.8", None, "en"),
        ("de;q=0", None, "en"),
        ("de;q=nan", None, "en"),
        ("de;q=1e9", None, "en"),
        ("fr", None, "en"),
        ("*", None, "en"),
        ("de", "en", "en"),
        ("en", "de", "de"),
        ("de", "../de", "de"),
        ("fr," * 10_000 + "de", None, "en"),
    ],
)
def test_the_language_of_a_request(accepted: str | None, asked: str | None, language: str) -> None:
    assert choose_language(accepted, asked) == language


def test_values_of_html_texts_stay_and_texts_are_escaped() -> None:
    text = words(DEFAULT)
    assert "<code>akin up</code>" in text.html("error.away_advice")
    with pytest.raises(KeyError):
        text("nowhere")
