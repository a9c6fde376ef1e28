"""Request of a search: the one model of its parameters, which HTTP validates, OpenAPI shows and the engine takes."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from akin.papers.citation import CitationFormat
from akin.papers.export import ExportFormat
from retrieval_service.errors import BlankQuery, InvalidParameter, QueryTooLong
from retrieval_service.ports import InputType, TextRole

LONGEST_QUERY = 20_000
"""Characters."""
MOST_LISTED = 1000
"""Papers of a list: to search by, to search among, or to cite."""
MOST_EXPORTED = 1000
"""Papers of one export."""
_BESIDE_RESULTS = ("highlight", "nearest_sentences", "facets", "suggest", "chase", "feedback")
_CONTROL, _SURROGATE = re.compile(r"[\x00-\x1f\x7f-\x9f]"), re.compile(r"[\ud800-\udfff]")
_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


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


def replace_unprintable(text: str) -> str:
    """Return the text with a space for every control character and a replacement for every lone surrogate."""
    if text.isprintable():
        return text
    return _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text))


def require_text(text: str | None, name: str) -> str:
    """Return a text that can be searched by.

    Raises:
        BlankQuery: The text is missing or blank.
        QueryTooLong: The text has more than `LONGEST_QUERY` characters.
    """
    if text is None:
        raise BlankQuery(f"The parameter {name} is missing: give a text to search for.", {"parameter": name})
    if len(text) > LONGEST_QUERY:
        raise QueryTooLong(
            f"The {name} has {len(text)} characters; at most {LONGEST_QUERY} are read. Send a shorter text.",
            {"parameter": name, "length": len(text), "limit": LONGEST_QUERY},
        )
    if not text:
        raise BlankQuery(f"The parameter {name} is blank: give a text to search for.", {"parameter": name})
    return text


def _clean(text: str) -> str:
    # `require_text` refuses a longer text, which must not take any time before.
    return replace_unprintable(text).strip() if len(text) <= LONGEST_QUERY else text


def _no_bool(value: object) -> object:
    # Python's True is a number, JSON's true is not.
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _strings(value: object) -> list[str]:
    parts: list[object] = value if isinstance(value, list) else [value]
    strings = [part for part in parts if isinstance(part, str)]
    if len(strings) < len(parts):
        raise ValueError("must be a string or a list of strings")
    return strings


def _split(parts: list[str]) -> list[str]:
    return [name for part in parts for piece in part.split(",") if (name := piece.strip())]


def _whole(parts: list[str]) -> list[str]:
    if not all(part.strip() for part in parts):
        raise ValueError("must not be blank")
    return [replace_unprintable(part).strip() for part in parts]


def _with_letters(names: list[str]) -> list[str]:
    if not all(any(map(str.isalnum, name)) for name in names):
        raise ValueError("must be names, with letters in them")
    return names


def _day(*, newest: bool) -> Callable[[object], date | None]:
    def day(value: object) -> date | None:
        if value is not None and not isinstance(value, str):
            raise ValueError("must be a valid string")
        if value is None or not value.strip():
            return None
        match = _DAY.fullmatch(value.strip())
        try:
            if match is None:
                raise ValueError
            year, month = int(match[1]), int(match[2] or (12 if newest else 1))
            return date(year, month, int(match[3] or (monthrange(year, month)[1] if newest else 1)))
        except ValueError:
            raise ValueError(
                f"must be a day, month or year that exists, as YYYY-MM-DD, YYYY-MM or YYYY, not {value[:40]!r}"
            ) from None

    return day


def _field(description: str, *names: str, **bounds: Any) -> Any:
    """Return a field with its description and, unless it is the attribute's, its name in HTTP followed by aliases."""
    return Field(description=description, validation_alias=AliasChoices(*names) if names else None, **bounds)


_STRING_OR_NULL = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})
# Validators run from the last to the first.
Number = Annotated[int, BeforeValidator(_no_bool)]
"""A number; true and false are none."""
_Text = Annotated[str, AfterValidator(_clean)]
_Category = Annotated[str, StringConstraints(max_length=100)]
_Categories = Annotated[tuple[_Category, ...], BeforeValidator(_split), BeforeValidator(_strings), Field(max_length=64)]
# A name or an id may hold commas, so a string is not split.
_Name = Annotated[str, StringConstraints(max_length=500)]
_Names = Annotated[tuple[_Name, ...], BeforeValidator(_whole), BeforeValidator(_strings)]
_FirstDay = Annotated[date | None, BeforeValidator(_day(newest=False)), _STRING_OR_NULL]
_LastDay = Annotated[date | None, BeforeValidator(_day(newest=True)), _STRING_OR_NULL]


@dataclass(frozen=True, kw_only=True)
class SimilarRequest:
    """Number of results, the halves of the search to use, and the conditions that papers meet."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    k: Annotated[Number, _field("Number of results.", ge=1, le=100)] = 10
    offset: Annotated[Number, _field("Number of better results to leave out.", ge=0, le=1000)] = 0
    cursor: Annotated[
        Annotated[str, StringConstraints(max_length=100)] | None,
        _field(
            "`next_cursor` of the answer before this page, instead of an offset; the other parameters are the same, "
            "apart from k, highlight, nearest_sentences, facets, suggest, chase and feedback. It reaches the end of "
            "the ranking."
        ),
    ] = None
    mode: Annotated[Mode, _field("Halves of the search to use: both, vectors alone or words alone.")] = Mode.HYBRID
    categories: Annotated[
        _Categories,
        _field(
            "Categories of which a paper has at least one; `cs` is all of an archive. A list, or names with commas "
            "between them."
        ),
    ] = ()
    categories_all: Annotated[
        _Categories, _field("Categories of which a paper has every one; `cs` is any of the archive's.")
    ] = ()
    exclude_categories: Annotated[_Categories, _field("Categories of which a paper has none.")] = ()
    authors: Annotated[
        _Names,
        AfterValidator(_with_letters),
        _field(
            "Name of an author, or several, of whom at least one wrote the paper: `Erdős`, `Paul Erdős`, `P. Erdős` "
            "or `Erdős, Paul`.",
            max_length=32,
        ),
    ] = ()
    ids: Annotated[
        _Names,
        _field("Ids of the only papers to search; ids that the corpus lacks are passed over.", max_length=MOST_LISTED),
    ] = ()
    cites: Annotated[
        _Names,
        _field(
            "Id of a paper, or several, of which papers cite at least one. It needs imported references, as do "
            "`cited_by`, `citation_boost`, `chase` and `sort=citations`.",
            max_length=32,
        ),
    ] = ()
    cited_by: Annotated[
        _Names, _field("Id of a paper, or several, of which at least one cites a paper.", max_length=32)
    ] = ()
    first: Annotated[_FirstDay, _field("Oldest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.", "from")] = None
    last: Annotated[_LastDay, _field("Newest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.", "to")] = None
    withdrawn: Annotated[
        Withdrawn, _field("Withdrawn papers: `include` them, `exclude` them, or search them `only`.")
    ] = Withdrawn.INCLUDE
    collapse: Annotated[bool, _field("Show a paper once if the corpus has several versions or copies of it.")] = True
    sort: Annotated[
        Sort,
        _field(
            "Order of the results: by `relevance`; the best matches by date, `newest` or `oldest` first, or by "
            "`citations`; or `recent`, by relevance with a taste for the new: a score halves with each `half_life` of "
            "age."
        ),
    ] = Sort.RELEVANCE
    half_life: Annotated[
        float,
        BeforeValidator(_no_bool),
        _field("Years in which a score halves with `sort=recent`.", ge=0.1, le=100, allow_inf_nan=False),
    ] = 3.0
    diversity: Annotated[
        float,
        BeforeValidator(_no_bool),
        _field(
            "Weight of the differences between results beside their relevance, 0 to 1; 0 for none.",
            ge=0,
            le=1,
            allow_inf_nan=False,
        ),
    ] = 0.0
    citation_boost: Annotated[
        float,
        BeforeValidator(_no_bool),
        _field(
            "Weight of citations beside relevance, 0 to 1; 0 for none. A score is multiplied by up to 1 + this, by the "
            "logarithm of the citations a year.",
            ge=0,
            le=1,
            allow_inf_nan=False,
        ),
    ] = 0.0
    chase: Annotated[
        bool, _field("Add the papers that most of the ten best results cite or are cited by, and say by which.")
    ] = False
    facets: Annotated[bool, _field("Count the best matches by year and by category.")] = False
    highlight: Annotated[
        bool,
        _field("Say where each result has the words of the query, which sentence fits best, and why it was found."),
    ] = False
    nearest_sentences: Annotated[
        bool,
        _field(
            "With `highlight`, where an abstract has none of the query's words (or few, with `mode=dense`): find the "
            "sentence that is nearest in meaning. It takes up to 64 embeddings, several times the search itself."
        ),
    ] = False
    search_effort: Annotated[
        Number | None,
        _field(
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
        if self.first and self.last and self.first > self.last:
            raise InvalidParameter(f"from ({self.first}) must not be after to ({self.last}).", {"parameter": "from"})
        return self


@dataclass(frozen=True, kw_only=True)
class SearchRequest(SimilarRequest):
    """Query or papers to search by, and all that narrows the search."""

    text: Annotated[
        _Text | None,
        _field(
            f"A question, or ids, links or DOIs of papers; at most {LONGEST_QUERY} characters. `q` is another name.",
            *("query", "q"),
        ),
    ] = None
    abstract: Annotated[
        _Text | None,
        _field(
            f"An abstract that looks for papers like it, at most {LONGEST_QUERY} characters; instead of a query. It is "
            "searched like a query, but an encoder may embed it as a passage."
        ),
    ] = None
    like: Annotated[
        _Names,
        _field("Id of a paper, or several, to find similar papers to; instead of a query.", max_length=MOST_LISTED),
    ] = ()
    unlike: Annotated[
        _Names,
        _field(
            "Id of a paper, or several, to find papers different from; works with like. `dislike` is another name.",
            *("unlike", "dislike"),
            max_length=MOST_LISTED,
        ),
    ] = ()
    operators: Annotated[
        bool,
        _field(
            'Read `"phrases"`, `-exclusions`, fields such as `ti: au: abs: cat: id: all: submittedDate:`, and `AND`, '
            "`OR`, `ANDNOT` and brackets beside these in the query; if false, all of it is words."
        ),
    ] = True
    suggest: Annotated[
        bool, _field("Offer conditions for what the query says in plain words, such as `since 2022` or `by Hinton`.")
    ] = False
    feedback: Annotated[
        bool,
        _field(
            "The reader may say which results are useful: with the answer comes the id of this search, if the service "
            "keeps feedback."
        ),
    ] = False
    rerank: Annotated[
        Number,
        _field("Number of best results that a reranker puts in order by reading them; 0 for none.", ge=0),
    ] = 0

    def __post_init__(self) -> None:
        """Take the abstract as the text."""
        if self.text is None:
            object.__setattr__(self, "text", self.abstract)

    @property
    def role(self) -> TextRole:
        """The role of the text."""
        return "query" if self.abstract is None else "abstract"

    @model_validator(mode="after")
    def _check_query_or_like(self) -> Self:
        _check_query_or_like(self)
        return self


@dataclass(frozen=True, kw_only=True)
class ExportRequest(SearchRequest):
    """Search whose results are exported, or the ids of the papers to export, and the format of the file."""

    form: Annotated[
        ExportFormat, _field("Format of the file: `bibtex`, `ris`, `csl-json`, `csv` or `jsonl`.", "format")
    ] = ExportFormat.BIBTEX
    k: Annotated[Number, _field(f"Greatest number of papers, 1 to {MOST_EXPORTED}.", ge=1, le=MOST_EXPORTED)] = (
        MOST_EXPORTED
    )

    @property
    def only_ids(self) -> bool:
        """True if papers are named by their ids, and not searched for."""
        return bool(self.ids) and self.text is None and not self.like

    def search(self) -> SearchRequest:
        """Return the search, without what is said beside its results."""
        given = {each.name: getattr(self, each.name) for each in fields(SearchRequest)}
        return SearchRequest(**given | dict.fromkeys(_BESIDE_RESULTS, False))

    @model_validator(mode="after")
    def _check_query_or_like(self) -> Self:
        if not self.only_ids:
            _check_query_or_like(self)
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

    form: Annotated[CitationFormat, _field("Format of the citation: `bibtex`, `ris` or `csl-json`.", "format")] = (
        CitationFormat.BIBTEX
    )


@dataclass(frozen=True, kw_only=True)
class CitationsRequest(CitationRequest):
    """Papers to cite, and the format of their citations."""

    ids: Annotated[
        _Names,
        _field("Id of a paper, or several; each in any form of an arXiv id.", min_length=1, max_length=MOST_LISTED),
    ]


@dataclass(frozen=True, kw_only=True)
class EmbedRequest:
    """Text to embed."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    text: Annotated[
        _Text | None,
        _field(
            f"A query, at most {LONGEST_QUERY} characters. `q` is another name.",
            *("query", "q"),
        ),
    ] = None
    abstract: Annotated[
        _Text | None, _field(f"A paper's text, at most {LONGEST_QUERY} characters; instead of a query.")
    ] = None
    input_type: Annotated[
        InputType | None,
        _field(
            "How the encoder takes the text: as a `query`, or as a `passage` that is to be found; by default an "
            "abstract is a passage. It matters for encoders with prompts only."
        ),
    ] = None

    def __post_init__(self) -> None:
        """Take the abstract as the text."""
        if self.text is None:
            object.__setattr__(self, "text", self.abstract)

    @property
    def role(self) -> InputType:
        """The role of the text."""
        return self.input_type or ("query" if self.abstract is None else "passage")

    @model_validator(mode="after")
    def _check_text(self) -> Self:
        _check_one_text(self)
        return self


def _check_query_or_like(request: SearchRequest) -> None:
    _check_one_text(request)
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


def _check_one_text(request: SearchRequest | EmbedRequest) -> None:
    if request.abstract is not None and request.text != request.abstract:
        raise InvalidParameter("Give either query or abstract, not both.", {"parameter": "abstract"})
