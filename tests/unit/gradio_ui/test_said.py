"""Test what the service says, in the languages of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gradio_ui import client, render
from gradio_ui.answers import Answer, CodedText, FoundPaper
from gradio_ui.card import paper_card
from gradio_ui.said import of_error, of_service
from gradio_ui.state import PageState
from gradio_ui.words import LANGUAGES, words, written, written_html
from retrieval_service import errors
from retrieval_service.search.sentences import SENTENCES, sentence

EN, DE = words("en"), words("de")


def codes_of(kind: type[errors.RetrievalError]) -> Iterator[str]:
    yield kind.code
    for each in kind.__subclasses__():
        if not issubclass(each, errors.SnapshotError):  # these are told to whoever runs commands
            yield from codes_of(each)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_service_has_words_with_the_same_values(language: str) -> None:
    said = {key.removeprefix("said."): text for key, text in words(language).texts.items() if key.startswith("said.")}
    assert sorted(said) == sorted(SENTENCES)
    for code, text in said.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", SENTENCES[code])), code


def test_in_english_they_are_those_of_the_service() -> None:
    assert {code: EN.texts[f"said.{code}"] for code in SENTENCES} == SENTENCES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_of_the_service_has_words(language: str) -> None:
    known = {key.removeprefix("service_error.") for key in words(language).texts if key.startswith("service_error.")}
    assert set(codes_of(errors.RetrievalError)) <= known
    assert client._ABOUT_KEYS | {"method_not_allowed", "host_not_allowed"} <= known


def test_a_note_is_said_in_german_and_stays_in_english() -> None:
    said = sentence("papers_left_out", most=32, count=1234)
    (note,) = of_service([str(said)], [CodedText(code=said.code, values=dict(said.values))])
    assert written_html(note, EN) == "A search is for at most 32 papers; the last 1,234 were passed over."
    assert written_html(note, DE) == "Eine Suche gilt höchstens 32 Arbeiten; 1.234 am Ende wurden übergangen."


def test_a_sentence_of_another_release_stays_as_the_service_says_it() -> None:
    (strange,) = of_service(["Something <new>."], [CodedText(code="something_new")])
    assert written_html(strange, DE) == '<span lang="en">Something &lt;new&gt;.</span>'
    (other,) = of_service(["Other values."], [CodedText(code="papers_left_out", values={"many": 3})])
    assert written(other, DE) == "Other values."
    assert of_service(["One.", "Two."], [CodedText(code="bracket_alone")]) == ("One.", "Two.")


def test_an_error_is_said_in_german_with_what_the_service_named() -> None:
    error = of_error("invalid_query", "'<x>' has no word.", {"text": "<x>"})
    assert written_html(error, EN) == "&#x27;&lt;x&gt;&#x27; has no word."
    assert "ist nicht erfüllbar: &lt;x&gt;. Wie Bedingungen" in written_html(error, DE)
    blank = of_error("blank_query", "The query has no letter and no digit.", {"parameter": "query"})
    assert "The query" not in written(blank, DE)
    unknown = of_error("unknown_paper", "There is no paper '7'.", {"id": "7", "key": "x"})
    assert written(unknown, DE).startswith("Die Arbeit „7“ ist nicht in diesem Korpus. Prüfen Sie die ID")
    assert written(of_error("unknown_paper", "There is no paper."), DE) == "There is no paper."
    shown = render.problem(client.RequestRefused(unknown, "unknown_paper"), DE)
    assert shown.count("Prüfen Sie die ID, oder suchen Sie nach dem Titel") == 1
    refused = render.problem(client.RequestRefused(of_error("overloaded", "Too much."), "overloaded"), DE)
    assert "Der Suchdienst hat mehr Anfragen" in refused


def test_why_an_answer_is_incomplete_is_said_with_the_reason() -> None:
    lost = sentence("lexical_alone", error="encoder_busy", reason="Triton's queue is full.")
    answer = Answer.model_validate({
        "results": [], "k": 10, "degraded": str(lost),
        "coded_degraded": [{"code": lost.code, "values": dict(lost.values), "error": lost.error}],
    })  # fmt: skip
    shown = render.answer_status(PageState(q="x"), answer, (), DE)
    assert "hat zu viel zu tun. Diese Treffer kommen nur aus der Suche nach Wörtern." in shown
    assert "Triton&#x27;s queue is full. These results come" in render.answer_status(PageState(q="x"), answer, (), EN)


def test_why_a_result_was_found_is_said_in_german() -> None:
    coded = [
        {"code": "very_near", "values": {}},
        {"code": "title_has", "values": {"words": "'<b>', 'c'"}},
        {"code": "rank_by_words", "values": {"rank": 3}},
    ]
    english = "very near in meaning; title has '<b>' and 'c'; 3rd by words"
    paper = FoundPaper.model_validate({"id": "1", "title": "T", "highlights": {"why": english, "coded_why": coded}})
    german = paper_card(paper, 1, 1.0, PageState(q="x"), {}, DE)
    assert "inhaltlich sehr nah; im Titel &#x27;&lt;b&gt;&#x27;, &#x27;c&#x27;; Platz 3 nach Wörtern" in german
    assert "very near in meaning; title has" in paper_card(paper, 1, 1.0, PageState(q="x"), {}, EN)
