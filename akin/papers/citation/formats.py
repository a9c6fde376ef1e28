"""Formats of citations, and the text of several papers in one of them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from akin.papers.citation.bibtex import write_bibtex
from akin.papers.citation.csl_json import write_csl_json
from akin.papers.citation.keys import unique_keys
from akin.papers.citation.ris import write_ris
from akin.papers.citation.work import cited_work
from akin.papers.paper import Paper


class CitationFormat(StrEnum):
    """Format of a citation, by its name in requests."""

    BIBTEX = "bibtex"
    RIS = "ris"
    CSL_JSON = "csl-json"

    @property
    def media_type(self) -> str:
        """The media type of a file in this format."""
        kind = {"bibtex": "x-bibtex", "ris": "x-research-info-systems", "csl-json": "vnd.citationstyles.csl+json"}
        return f"application/{kind[self.value]}; charset=utf-8"


_WRITERS = {
    CitationFormat.BIBTEX: write_bibtex,
    CitationFormat.RIS: write_ris,
    CitationFormat.CSL_JSON: write_csl_json,
}


def write_citations(papers: Iterable[Paper], form: CitationFormat) -> str:
    """Return the citations of papers as the text of one file, in the order of the papers; no key is there twice."""
    works = [cited_work(paper) for paper in papers]
    return _WRITERS[form](list(zip(unique_keys(works), works, strict=True)))
