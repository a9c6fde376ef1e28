"""Requests about given papers: a list that its reader has collected, citations, and files."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, model_validator

from akin.papers.citation import CitationFormat
from akin.papers.export import ExportFormat
from retrieval_service.errors import InvalidParameter
from retrieval_service.search.parameters import (
    MOST_LISTED,
    Categories,
    FirstDay,
    LastDay,
    Names,
    Number,
    Weight,
    check_days,
    field,
)
from retrieval_service.search.request import BESIDE_RESULTS, SearchRequest, Withdrawn, check_query_or_like

MOST_EXPORTED = 1000
"""Papers of one export."""

_Listed = Annotated[
    Names,
    field("Ids of the papers of the list, each in any form that is understood.", min_length=1, max_length=MOST_LISTED),
]


@dataclass(frozen=True, kw_only=True)
class PapersRequest:
    """Papers to look up."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ids: _Listed


@dataclass(frozen=True, kw_only=True)
class MissingRequest:
    """List of papers, and conditions on the papers that it may lack."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ids: _Listed
    unlike: Annotated[
        Names, field("Ids of papers to move away from; they are never found.", max_length=MOST_LISTED)
    ] = ()
    k: Annotated[Number, field("Number of papers to find.", ge=1, le=100)] = 20
    diversity: Annotated[
        Weight,
        field("Weight of the differences between the papers of a topic beside their nearness, 0 to 1; 0 for none."),
    ] = 0.3
    categories: Annotated[Categories, field("Categories of which a paper has at least one.")] = ()
    exclude_categories: Annotated[Categories, field("Categories of which a paper has none.")] = ()
    first: Annotated[FirstDay, field("Oldest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.", "from")] = None
    last: Annotated[LastDay, field("Newest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.", "to")] = None
    withdrawn: Annotated[Withdrawn, field("Withdrawn papers: `include` them, `exclude` them, or find them `only`.")] = (
        Withdrawn.EXCLUDE
    )

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        check_days(self.first, self.last)
        return self


@dataclass(frozen=True, kw_only=True)
class ExportRequest(SearchRequest):
    """Search whose results are exported, or the ids of the papers to export, and the format of the file."""

    form: Annotated[
        ExportFormat, field("Format of the file: `bibtex`, `ris`, `csl-json`, `csv` or `jsonl`.", "format")
    ] = ExportFormat.BIBTEX
    k: Annotated[Number, field(f"Greatest number of papers, 1 to {MOST_EXPORTED}.", ge=1, le=MOST_EXPORTED)] = (
        MOST_EXPORTED
    )

    @property
    def only_ids(self) -> bool:
        """True if papers are named by their ids, and not searched for."""
        return bool(self.ids) and self.text is None and not self.like

    def search(self) -> SearchRequest:
        """Return the search, without what is said beside its results."""
        given = {each.name: getattr(self, each.name) for each in fields(SearchRequest)}
        return SearchRequest(**given | dict.fromkeys(BESIDE_RESULTS, False))

    @model_validator(mode="after")
    def _check_query_or_like(self) -> Self:
        if not self.only_ids:
            check_query_or_like(self)
        elif self != ExportRequest(ids=self.ids, form=self.form, k=self.k, offset=self.offset):
            raise InvalidParameter(
                "ids alone are exported in their order, without conditions: give a query too, to search among them.",
                {"parameter": "ids"},
            )
        return self


@dataclass(frozen=True, kw_only=True)
class CitationRequest:
    """Format of a citation."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    form: Annotated[CitationFormat, field("Format of the citation: `bibtex`, `ris` or `csl-json`.", "format")] = (
        CitationFormat.BIBTEX
    )


@dataclass(frozen=True, kw_only=True)
class CitationsRequest(CitationRequest):
    """Papers to cite, and the format of their citations."""

    ids: Annotated[
        Names,
        field("Id of a paper, or several; each in any form of an arXiv id.", min_length=1, max_length=MOST_LISTED),
    ]
