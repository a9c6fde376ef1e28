"""Publication of a paper of a library, as its entry states it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from akin.papers.text import clean_text

KINDS = (
    *("article", "book", "booklet", "inbook", "incollection", "inproceedings", "manual", "mastersthesis", "misc"),
    *("phdthesis", "proceedings", "techreport", "unpublished"),
)
"""Types of BibTeX's standard styles."""


class Publication(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Publication of a paper, in the terms of its library's entry.

    Attributes:
        kind: one of `KINDS`.
        key: the citation key in the library; empty if the entry has none.
        venue: the journal, or the title of the book or the proceedings.
        volume: the volume.
        number: the issue, or the number of a report.
        pages: pages with `-` between first and last, or the article's number.
        series: the series of the book or the proceedings.
        publisher: the publisher; of a thesis the school, of a report the institution.
        url: the address that the entry states, http or https.
        date: year, month and day as far as they are known.
        edited: True if the authors of the paper are the editors of the book.
    """

    kind: str = "misc"
    key: str = ""
    venue: str = ""
    volume: str = ""
    number: str = ""
    pages: str = ""
    series: str = ""
    publisher: str = ""
    url: str = ""
    date: tuple[int, ...] = ()
    edited: bool = False

    @property
    def reference(self) -> str:
        """The journal reference on one line, "J. Things 12 (3), 45-67 (2020)"; empty without a venue."""
        if not self.venue:
            return ""
        volume = " ".join(part for part in (self.volume, self.number and f"({self.number})") if part)
        numbers = ", ".join(part for part in (volume, self.pages) if part)
        year = f"({self.date[0]})" if self.date and str(self.date[0]) not in self.venue else ""
        return " ".join(part for part in (self.venue, numbers, year) if part)


def exported_publication(record: object) -> Publication | None:
    """Return the publication in a record that was exported; None if it is none, but another field of that name."""
    if not isinstance(record, Mapping) or record.get("kind") not in KINDS:
        return None
    try:
        found = msgspec.convert(record, Publication)
        date(*(found.date + (1, 1, 1)[len(found.date) :]))
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError):
        return None
    texts: dict[str, Any] = {
        name: clean_text(text) for name in found.__struct_fields__ if isinstance(text := getattr(found, name), str)
    }
    if not texts["url"].startswith(("https://", "http://")):
        texts["url"] = ""
    return msgspec.structs.replace(found, **texts)
