"""Libraries of references: BibTeX, RIS, CSL-JSON and Zotero's CSV, as entries and as papers of a corpus."""

from __future__ import annotations

from akin.papers.bibliography.entry import BrokenEntry, Entry
from akin.papers.bibliography.formats import LibraryFormat, detect_library, read_entries
from akin.papers.bibliography.library import library_papers

__all__ = [
    "BrokenEntry",
    "Entry",
    "LibraryFormat",
    "detect_library",
    "library_papers",
    "read_entries",
]
