"""Formats of citations, and the text of several papers in one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import tee
from typing import NamedTuple

from akin.papers.citation.bibtex import bibtex_entry
from akin.papers.citation.csl_json import csl_item
from akin.papers.citation.keys import unique_keys
from akin.papers.citation.ris import ris_reference
from akin.papers.citation.work import Work, cited_work
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


class _Layout(NamedTuple):
    """Layout of a file: the text of each work, and what stands before, between and behind them."""

    write: Callable[[str, Work], str]
    before: str = ""
    between: str = ""
    behind: str = ""


_LAYOUTS = {
    CitationFormat.BIBTEX: _Layout(bibtex_entry, between="\n"),
    CitationFormat.RIS: _Layout(ris_reference, between="\r\n"),
    CitationFormat.CSL_JSON: _Layout(csl_item, "[\n", ",\n", "\n]\n"),
}


def write_citations(papers: Iterable[Paper], form: CitationFormat) -> str:
    """Return the citations of papers as the text of one file, in the order of the papers; no key is there twice."""
    return "".join(citation_parts(papers, form))


def citation_parts(papers: Iterable[Paper], form: CitationFormat) -> Iterator[str]:
    """Yield the text of `write_citations` in parts; a paper is taken when its part is wanted."""
    layout = _LAYOUTS[form]
    before = layout.before
    works, keyed = tee(map(cited_work, papers))
    for key, work in zip(unique_keys(keyed), works, strict=True):
        yield before + layout.write(key, work)
        before = layout.between
    yield layout.behind if before == layout.between else layout.before + layout.behind
