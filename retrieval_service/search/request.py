"""Request of a search: the one model of its parameters, which HTTP validates, OpenAPI shows and the engine takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, StringConstraints, model_validator

from retrieval_service.errors import BlankQuery, InvalidParameter
from retrieval_service.ports import TextRole
from retrieval_service.search.parameters import (
    LONGEST_QUERY,
    MOST_LISTED,
    Categories,
    FirstDay,
    LastDay,
    Names,
    Number,
    PastedText,
    People,
    Real,
    Weight,
    check_days,
    check_one_text,
    field,
    require_text,
)

BESIDE_RESULTS = ("highlight", "nearest_sentences", "facets", "suggest", "chase", "feedback")
"""Parameters that change what is said beside the results, and not which these are."""


class Mode(StrEnum):
    """Halves of the search that are used."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


class Withdrawn(StrEnum):
    """Treatment of withdrawn papers."""

    INCLUDE = "include"
    EXCLUDE = "exclude"
    ONLY = "only"


class Sort(StrEnum):
    """Order of the results."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    OLDEST = "oldest"
    RECENT = "recent"
    CITATIONS = "citations"


@dataclass(frozen=True, kw_only=True)
class SimilarRequest:
    """Number of results, the halves of the search to use, and the conditions that papers meet."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    k: Annotated[Number, field("Number of results.", ge=1, le=100)] = 10
    offset: Annotated[Number, field("Number of better results to leave out.", ge=0, le=1000)] = 0
    cursor: Annotated[
        Annotated[str, StringConstraints(max_length=100)] | None,
        field(
            "`next_cursor` of the answer before this page, instead of an offset; the other parameters are the same, "
            "apart from k, highlight, nearest_sentences, facets, suggest, chase and feedback. It reaches the end of "
            "the ranking."
        ),
    ] = None
    mode: Annotated[Mode, field("Halves of the search to use: both, vectors alone or words alone.")] = Mode.HYBRID
    categories: Annotated[
        Categories,
        field(
            "Categories of which a paper has at least one; `cs` is all of an archive. A list, or names with commas "
            "between them."
        ),
    ] = ()
    categories_all: Annotated[
        Categories, field("Categories of which a paper has every one; `cs` is any of the archive's.")
    ] = ()
    exclude_categories: Annotated[Categories, field("Categories of which a paper has none.")] = ()
    authors: Annotated[
        People,
        field(
            "Name of an author, or several, of whom at least one wrote the paper: `Erdős`, `Paul Erdős`, `P. Erdős` "
            "or `Erdős, Paul`.",
            max_length=32,
        ),
    ] = ()
    ids: Annotated[
        Names,
        field("Ids of the only papers to search; ids that the corpus lacks are passed over.", max_length=MOST_LISTED),
    ] = ()
    cites: Annotated[
        Names,
        field(
            "Id of a paper, or several, of which papers cite at least one. It needs imported references, as do "
            "`cited_by`, `citation_boost`, `chase` and `sort=citations`.",
            max_length=32,
        ),
    ] = ()
    cited_by: Annotated[
        Names, field("Id of a paper, or several, of which at least one cites a paper.", max_length=32)
    ] = ()
    first: Annotated[FirstDay, field("Oldest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.", "from")] = None
    last: Annotated[LastDay, field("Newest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.", "to")] = None
    withdrawn: Annotated[
        Withdrawn, field("Withdrawn papers: `include` them, `exclude` them, or search them `only`.")
    ] = Withdrawn.INCLUDE
    collapse: Annotated[bool, field("Show a paper once if the corpus has several versions or copies of it.")] = True
    sort: Annotated[
        Sort,
        field(
            "Order of the results: by `relevance`; the best matches by date, `newest` or `oldest` first, or by "
            "`citations`; or `recent`, by relevance with a taste for the new: a score halves with each `half_life` of "
            "age."
        ),
    ] = Sort.RELEVANCE
    half_life: Annotated[
        Real,
        field("Years in which a score halves with `sort=recent`.", ge=0.1, le=100, allow_inf_nan=False),
    ] = 3.0
    diversity: Annotated[
        Weight, field("Weight of the differences between results beside their relevance, 0 to 1; 0 for none.")
    ] = 0.0
    citation_boost: Annotated[
        Weight,
        field(
            "Weight of citations beside relevance, 0 to 1; 0 for none. A score is multiplied by up to 1 + this, by the "
            "logarithm of the citations a year."
        ),
    ] = 0.0
    chase: Annotated[
        bool, field("Add the papers that most of the ten best results cite or are cited by, and say by which.")
    ] = False
    facets: Annotated[bool, field("Count the best matches by year and by category.")] = False
    highlight: Annotated[
        bool,
        field("Say where each result has the words of the query, which sentence fits best, and why it was found."),
    ] = False
    nearest_sentences: Annotated[
        bool,
        field(
            "With `highlight`, where an abstract has none of the query's words (or few, with `mode=dense`): find the "
            "sentence that is nearest in meaning. It takes up to 64 embeddings, several times the search itself."
        ),
    ] = False
    search_effort: Annotated[
        Number | None,
        field(
            "Depth to which the vector index is searched, instead of its own: the number of inverted lists that are "
            "read. `nprobe` is another name.",
            *("search_effort", "nprobe"),
            ge=1,
            le=1024,
        ),
    ] = None

    @model_validator(mode="after")
    def _check_place_and_days(self) -> Self:
        if self.cursor is not None and self.offset:
            raise InvalidParameter("Give either cursor or offset, not both.", {"parameter": "cursor"})
        check_days(self.first, self.last)
        return self


@dataclass(frozen=True, kw_only=True)
class SearchRequest(SimilarRequest):
    """Query or papers to search by, and all that narrows the search."""

    text: Annotated[
        PastedText | None,
        field(
            f"A question, or ids, links or DOIs of papers; at most {LONGEST_QUERY} characters. `q` is another name.",
            *("query", "q"),
        ),
    ] = None
    abstract: Annotated[
        PastedText | None,
        field(
            f"An abstract that looks for papers like it, at most {LONGEST_QUERY} characters; instead of a query. It is "
            "searched like a query, but an encoder may embed it as a passage."
        ),
    ] = None
    like: Annotated[
        Names,
        field("Id of a paper, or several, to find similar papers to; instead of a query.", max_length=MOST_LISTED),
    ] = ()
    unlike: Annotated[
        Names,
        field(
            "Id of a paper, or several, to find papers different from; works with like. `dislike` is another name.",
            *("unlike", "dislike"),
            max_length=MOST_LISTED,
        ),
    ] = ()
    operators: Annotated[
        bool,
        field(
            'Read `"phrases"`, `-exclusions`, fields such as `ti: au: abs: cat: id: all: submittedDate:`, and `AND`, '
            "`OR`, `ANDNOT` and brackets beside these in the query; if false, all of it is words."
        ),
    ] = True
    suggest: Annotated[
        bool, field("Offer conditions for what the query says in plain words, such as `since 2022` or `by Hinton`.")
    ] = False
    feedback: Annotated[
        bool,
        field(
            "The reader may say which results are useful: with the answer comes the id of this search, if the service "
            "keeps feedback."
        ),
    ] = False
    rerank: Annotated[
        Number,
        field("Number of best results that a reranker puts in order by reading them; 0 for none.", ge=0),
    ] = 0

    def __post_init__(self) -> None:
        """Take the abstract as the text."""
        if self.text is None:
            object.__setattr__(self, "text", self.abstract)

    @property
    def wants_details(self) -> bool:
        """Return True if something is wanted beside the results."""
        return self.highlight or self.facets or self.suggest or self.chase

    @property
    def role(self) -> TextRole:
        """The role of the text."""
        return "query" if self.abstract is None else "abstract"

    @model_validator(mode="after")
    def _check_query_or_like(self) -> Self:
        check_query_or_like(self)
        return self


def check_query_or_like(request: SearchRequest) -> None:
    """Raise an error if a request has not either a text to search by or papers."""
    check_one_text(request.text, request.abstract)
    if request.like and request.text is not None:
        raise InvalidParameter("Give either query or like, not both.", {"parameter": "like"})
    if request.unlike and not request.like:
        raise InvalidParameter(
            "unlike works with like only: name in like the papers to be similar to.",
            {"parameter": "unlike"},
        )
    if not request.like:
        text = require_text(request.text, "query")
        if not any(map(str.isalnum, text)):
            raise BlankQuery("The query has no letter and no digit: give a text to search for.", {"parameter": "query"})
