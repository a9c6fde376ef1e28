"""Citations of papers as BibTeX, RIS and CSL-JSON: the one writer, for the service and all its clients."""

from __future__ import annotations

from akin.papers.citation.formats import CitationFormat, citation_parts, write_citations
from akin.papers.citation.journal_reference import JournalReference, parse_journal_reference

__all__ = ["CitationFormat", "JournalReference", "citation_parts", "parse_journal_reference", "write_citations"]
