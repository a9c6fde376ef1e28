"""Files of papers: citations, a table (CSV), and records that can be indexed again (JSON lines)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import msgspec

from akin.papers.arxiv_id import links
from akin.papers.authors import Author
from akin.papers.citation import CitationFormat, citation_parts
from akin.papers.citation.work import readable
from akin.papers.paper import Paper
from akin.papers.publication import Publication

# Spreadsheets take a cell that begins with one of these for a formula; some also the full-width forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_COLUMNS = (
    "id",
    "title",
    "authors",
    "published",
    "updated",
    "versions",
    "categories",
    "doi",
    "journal_ref",
    "comments",
    "withdrawn",
    "url",
    "abstract",
)


class ExportFormat(StrEnum):
    """Format of a file of papers, by its name in requests."""

    BIBTEX = "bibtex"
    RIS = "ris"
    CSL_JSON = "csl-json"
    CSV = "csv"
    JSONL = "jsonl"

    @property
    def media_type(self) -> str:
        """The media type of a file in this format."""
        own = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
        return own.get(self.value) or CitationFormat(self.value).media_type

    @property
    def file_name(self) -> str:
        """The name under which a browser saves such a file."""
        return f"papers.{ {'bibtex': 'bib', 'csl-json': 'json'}.get(self.value, self.value) }"


def export_parts(papers: Iterable[Paper], form: ExportFormat) -> Iterator[str]:
    """Yield the text of a file of papers in parts; a paper is taken when its part is wanted."""
    if form is ExportFormat.CSV:
        return _table(papers)
    if form is ExportFormat.JSONL:
        return map(_line, papers)
    return citation_parts(papers, CitationFormat(form.value))


def _table(papers: Iterable[Paper]) -> Iterator[str]:
    yield _row(_COLUMNS)
    for paper in papers:
        addresses = links(paper)
        yield _row(
            (
                paper.id,
                paper.title,
                "; ".join(author.name for author in paper.authors),
                paper.published or "",
                paper.updated or "",
                paper.versions or "",
                "; ".join(paper.categories),
                paper.doi or "",
                paper.journal_ref or "",
                paper.comments or "",
                "withdrawn" if paper.withdrawn else "",
                addresses.get("abs") or addresses.get("doi") or addresses.get("url") or "",
                paper.abstract,
            )
        )


def _row(cells: Iterable[object]) -> str:
    line = io.StringIO(newline="")
    # Quoted, so that a sign which divides cells in another program begins no cell.
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow([_cell(str(cell)) for cell in cells])
    return line.getvalue()


def _cell(text: str) -> str:
    """Return a text on one line that a spreadsheet takes for text."""
    text = readable(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(paper: Paper) -> str:
    """Return a paper's fields as the reader of papers takes them, in the source's own text."""
    record: dict[str, Any] = {
        "id": paper.id,
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": list(map(_author, paper.authors)),
        "categories": paper.categories,
        "published": paper.published,
        "updated": paper.updated,
        "versions": paper.versions,
        "doi": paper.doi,
        "journal_ref": paper.journal_ref,
        "comments": paper.comments,
        "withdrawn": paper.withdrawn,
        # In each line, as a reader learns the fields of a file from its first ones.
        "publication": _publication(paper.publication) if paper.publication else None,
    }
    return msgspec.json.encode(record).decode() + "\n"


def _publication(publication: Publication) -> dict[str, Any]:
    """Return the fields that are set, and always the kind, which marks a publication for the reader."""
    return {"kind": publication.kind, **msgspec.to_builtins(publication)}


def _author(author: Author) -> dict[str, Any]:
    parts = {"name": author.name, "family": author.family, "given": author.given, "suffix": author.suffix}
    named: dict[str, Any] = {name: text for name, text in parts.items() if text}
    return {**named, "collaboration": True} if author.collaboration else named
