"""Formats of libraries: their recognition, and the one way to read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from akin.papers.bibliography.bibtex import bibtex_entries
from akin.papers.bibliography.csl_json import csl_entries
from akin.papers.bibliography.decoding import decode_library
from akin.papers.bibliography.entry import BrokenEntry, Entry
from akin.papers.bibliography.ris import ris_entries
from akin.papers.bibliography.zotero_csv import zotero_entries


class LibraryFormat(StrEnum):
    """Format of a library."""

    BIBTEX = "bibtex"
    RIS = "ris"
    CSL_JSON = "csl-json"
    ZOTERO_CSV = "zotero-csv"


_BIBTEX = re.compile(rb"^[^\S\n]*+@\w++\s*+[{(]", re.MULTILINE)
_RIS = re.compile(rb"^\s{0,8}TY\s{1,2}-(?:\s|$)", re.MULTILINE)
_CSL = re.compile(rb"\[\s*+\{")
_OF_CSL = re.compile(rb'"(?:title|author|issued|DOI|container-title)"\s*+:')
_ZOTERO = re.compile(rb'"?Key"?,"?Item Type"?,"?Publication Year"?,')


def detect_library(head: bytes) -> LibraryFormat | None:
    """Return the format of a library from its beginning; None if it is no library."""
    start = head.lstrip()
    if _CSL.match(start):
        is_csl = b'"type"' in head and b'"arxiv_num"' not in head and _OF_CSL.search(head)
        return LibraryFormat.CSL_JSON if is_csl else None
    if start[:1] in (b"{", b"<", b"["):
        return None
    if _ZOTERO.match(start):
        return LibraryFormat.ZOTERO_CSV
    if _RIS.search(head):
        return LibraryFormat.RIS
    return LibraryFormat.BIBTEX if _BIBTEX.search(head) else None


def read_entries(data: bytes, form: LibraryFormat) -> Iterator[Entry | BrokenEntry]:
    """Yield the entries of a library.

    Raises:
        ValueError: the library is CSL-JSON, and not one array of JSON.
        ImportError: the library is BibTeX, and bibtexparser is not installed.
    """
    if form is LibraryFormat.CSL_JSON:
        return csl_entries(data)
    read = {
        LibraryFormat.BIBTEX: bibtex_entries,
        LibraryFormat.RIS: ris_entries,
        LibraryFormat.ZOTERO_CSV: zotero_entries,
    }[form]
    return read(decode_library(data))
