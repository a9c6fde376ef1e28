"""Texts that a reader of the page sees: one TOML file for each language, with the same keys in all of them.

A text is plain; `{name}` is replaced by a value, and `code` between backticks is shown as code where the text becomes
HTML. A text that depends on a number has the keys `one` and `other`. The table `script` goes to the page's scripts.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final, NamedTuple

LANGUAGES: Final = {"en": "English", "de": "Deutsch"}
"""Names of the languages that the page speaks, in themselves, by code; the first is the default."""
DEFAULT: Final = "en"
_MOST_RANGES: Final = 20
_LONGEST_HEADER: Final = 500
_PLACE: Final = re.compile(r"\{([a-z_]+)\}")


class Words:
    """Texts of one language."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        """Keep the texts by their keys, with a dot between the table and the name."""
        self.language = language
        self.texts = texts

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its values; whole numbers are written as the language writes them.

        Raises:
            KeyError: There is no such text, or a value is missing.
        """
        return _PLACE.sub(lambda place: self._written(values[place[1]]), self.texts[key])

    def html(self, key: str, **values: object) -> str:
        """Return a text as HTML. The values are HTML already: escape those that come from outside."""
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(self.texts[key]))
        return _PLACE.sub(lambda place: self._written(values[place[1]]), text)

    def count(self, key: str, number: int, **values: object) -> str:
        """Return the form of a text that fits a number, with the number as the value `number`."""
        return self(f"{key}.{'one' if number == 1 else 'other'}", number=number, **values)

    def number(self, number: int) -> str:
        """Return a whole number with the language's sign between thousands."""
        return f"{number:,}".replace(",", self.texts["form.thousands"])

    def day(self, day: date) -> str:
        """Return a date in the language's short form."""
        month = self.texts["form.months"].split()[day.month - 1]
        return self("form.day", day=str(day.day), month=month, year=str(day.year))

    def month(self, day: date) -> str:
        """Return the month and the year of a date."""
        return self("form.month", month=self.texts["form.months"].split()[day.month - 1], year=str(day.year))

    def decimal(self, text: str) -> str:
        """Return a written number with the language's decimal sign."""
        return text.replace(".", self.texts["form.decimal"])

    def script(self) -> str:
        """Return the texts of the page's scripts as JSON that may stand within HTML."""
        texts = {key.removeprefix("script."): text for key, text in self.texts.items() if key.startswith("script.")}
        texts |= {key: self.texts[key] for key in ("form.day", "form.months")}
        return json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c")

    def _written(self, value: object) -> str:
        return self.number(value) if isinstance(value, int) else str(value)


class Note(NamedTuple):
    """Text that is written in the language of its reader later; as a string, it is in the default language."""

    key: str
    values: Mapping[str, object] = {}

    def __str__(self) -> str:
        """Return the text in the default language, as for logs."""
        return written(self, words(DEFAULT))


class ServiceText(str):
    """Text of the service, in English, which the page has in its other languages too.

    Attributes:
        key: The key of the text in the files of words.
        values: What the text names; a value may be such a text itself.
    """

    key: str
    values: Mapping[str, object]

    @classmethod
    def of(cls, text: str, key: str, values: Mapping[str, object]) -> ServiceText:
        """Return the text with the key and the values of its translations."""
        made = cls(text)
        made.key, made.values = key, values
        return made


def note(key: str, **values: object) -> Note:
    """Return a text that is written later. A value in quotation marks is a `Note` itself."""
    return Note(key, values)


def written(said: Note | str, text: Words) -> str:
    """Return a note in a language; a text of the service stays as it is where the language has none for it."""
    if isinstance(said, str) and (text.language == DEFAULT or not isinstance(said, ServiceText)):
        return said
    values = {name: written(one, text) if isinstance(one, Note | str) else one for name, one in said.values.items()}
    try:
        return text(said.key, **values)
    except KeyError:
        if isinstance(said, str):  # a service of another release, which names other things
            return str(said)
        raise


def written_html(said: Note | str, text: Words) -> str:
    """Return a note as HTML; a text of the service, which is English, says so where the page is not."""
    if isinstance(said, str) and said and text.language != DEFAULT and not isinstance(said, ServiceText):
        return f'<span lang="{DEFAULT}">{escape(said)}</span>'
    return escape(written(said, text))


@cache
def words(language: str) -> Words:
    """Return the texts of a language; those of the default for a language that the page does not speak."""
    if language not in LANGUAGES:
        return words(DEFAULT)
    content = Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8")
    return Words(language, dict(_flat(tomllib.loads(content))))


def choose_language(accepted: str | None, asked: str | None = None) -> str:
    """Return the language for a request.

    Args:
        accepted: The request's `Accept-Language`, in any state.
        asked: The language that the address asks for, which counts more; unknown ones are ignored.
    """
    if asked in LANGUAGES:
        return str(asked)
    best, weight = DEFAULT, 0.0
    for part in (accepted or "")[:_LONGEST_HEADER].split(",")[:_MOST_RANGES]:
        name, _, parameter = part.partition(";")
        code = name.strip().lower().partition("-")[0]
        wanted = _weight(parameter)
        if code in LANGUAGES and wanted > weight:
            best, weight = code, wanted
    return best


def _weight(parameter: str) -> float:
    if not parameter.strip():
        return 1.0
    found = re.fullmatch(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", parameter)
    return min(float(found[1]), 1.0) if found else 0.0


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value)
