"""Say the sentences of the service in the reader's language, by the code and the values that each of them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gradio_ui.words import DEFAULT, ServiceText, Words, words, written

if TYPE_CHECKING:
    from gradio_ui.answers import Answer, CodedText


def of_service(texts: Sequence[str], coded: Sequence[CodedText]) -> tuple[str, ...]:
    """Return sentences of the service by their codes; without a code that the page knows, they stay as they are."""
    if len(texts) != len(coded):  # a service of another release
        return tuple(texts)
    return tuple(_of_code(text, code) for text, code in zip(texts, coded, strict=True))


def joined(english: str, coded: Sequence[CodedText], separator: str, text: Words) -> str:
    """Return a text of the service that is joined of sentences; in English, as the service says it."""
    if text.language == DEFAULT or not coded:
        return english
    parts = [_of_code("", code) for code in coded]
    said = [written(part, text) for part in parts]
    return separator.join(said) if all(said) else english


def of_error(code: str, message: str, detail: Mapping[str, object] | None = None) -> str:
    """Return the message of an error of the service by its code, and by what its detail names."""
    named = {name: value for name, value in (detail or {}).items() if name != "key"}
    return _known(f"service_error.{code}", message, {**named, "message": message})


def lacking(answer: Answer, text: Words) -> str:
    """Return why an answer is incomplete; empty if it is complete."""
    return joined(answer.degraded or "", answer.coded_degraded, " ", text)


def _of_code(text: str, coded: CodedText) -> str:
    values: dict[str, object] = dict(coded.values)
    if coded.error and "reason" in values:
        values["reason"] = of_error(coded.error, str(values["reason"]))
    return _known(f"said.{coded.code}", text, values)


def _known(key: str, text: str, values: Mapping[str, object]) -> str:
    return ServiceText.of(text, key, values) if key in words(DEFAULT).texts else text
