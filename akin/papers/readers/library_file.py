"""Reader of a library of references: BibTeX, RIS, CSL-JSON or Zotero's CSV."""

from __future__ import annotations

from collections.abc import Iterator

from akin.papers.bibliography import detect_library, library_papers, read_entries
from akin.papers.errors import PaperFileError, UnknownFormat
from akin.papers.paper import Paper
from akin.papers.readers.paper_file import PaperFile
from akin.papers.readers.report import Flaw, Joined


def library_file_papers(file: PaperFile) -> Iterator[tuple[int, Paper | Flaw | Joined]]:
    """Yield the papers and flaws of a library, each with its line.

    Raises:
        UnknownFormat: the file is no library.
        PaperFileError: a package that reads it is missing.
        PaperFileUnreadable: the file is too large.
    """
    data = file.read()
    form = detect_library(data)
    if form is None:
        raise UnknownFormat(file.path, "is no library in BibTeX, RIS, CSL-JSON or Zotero's CSV")
    try:
        yield from library_papers(read_entries(data, form))
    except ValueError as error:
        raise UnknownFormat(file.path, f"is not one JSON array of CSL-JSON: {error}; export it again") from error
    except ImportError as error:
        raise PaperFileError(file.path, f"is BibTeX, and {error.name} is missing: pip install bibtexparser") from error
