"""Language of a reader, and the address at which the links of the page begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import HTTPConnection

from gradio_ui.words import LANGUAGES, Words, choose_language, words

VISIT: Final = "akin.visit"
"""Key of a request's `Visit` in its scope."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Language and links of one request.

    Attributes:
        language: A code of `LANGUAGES`.
        root: The path under which a proxy publishes the page; empty for none.
        asked: True if the address asks for the language, so that links must ask for it too.
    """

    language: str
    root: str = ""
    asked: bool = False

    @property
    def words(self) -> Words:
        """The texts in the reader's language."""
        return words(self.language)

    def link(self, path: str, **query: str) -> str:
        """Return the address of one of the page's paths, such as `paper/2401.00001`; escape it in HTML."""
        if self.asked:
            query = {**query, "lang": self.language}
        return f"{self.root}/{quote(path, safe='/:')}" + (f"?{urlencode(query)}" if query else "")


def visit_of(connection: HTTPConnection, root: str = "") -> Visit:
    """Return the language and the links of a request; `lang` in its address counts more than the browser's wish."""
    asked = connection.query_params.get("lang")
    return Visit(choose_language(connection.headers.get("accept-language"), asked), root, asked in LANGUAGES)
