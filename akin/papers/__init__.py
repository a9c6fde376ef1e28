"""Papers: the record, arXiv ids, the text that is embedded, and the readers of files of papers."""

from __future__ import annotations

from akin.papers.arxiv_id import ArxivId, links, parse_arxiv_id
from akin.papers.authors import Author, parse_author, parse_authors
from akin.papers.categories import ALIASES, CATEGORIES, SUCCESSORS, subject
from akin.papers.doi import bare_doi
from akin.papers.errors import (
    BadRecord,
    MappingError,
    PaperFileError,
    PaperFileNotFound,
    PaperFileUnreadable,
    PapersError,
    RemoteError,
    SampleUnavailable,
    UnknownFormat,
)
from akin.papers.paper import Paper
from akin.papers.passage import PASSAGE_TEXT_VERSION, passage_text
from akin.papers.readers import Format, Mapping, PaperReader, Reason, Report, parse_mapping, read_papers
from akin.papers.sample import fetch_sample

__all__ = [
    "ALIASES",
    "CATEGORIES",
    "PASSAGE_TEXT_VERSION",
    "SUCCESSORS",
    "ArxivId",
    "Author",
    "BadRecord",
    "Format",
    "Mapping",
    "MappingError",
    "Paper",
    "PaperFileError",
    "PaperFileNotFound",
    "PaperFileUnreadable",
    "PaperReader",
    "PapersError",
    "Reason",
    "RemoteError",
    "Report",
    "SampleUnavailable",
    "UnknownFormat",
    "bare_doi",
    "fetch_sample",
    "links",
    "parse_arxiv_id",
    "parse_author",
    "parse_authors",
    "parse_mapping",
    "passage_text",
    "read_papers",
    "subject",
]
