"""Request of a search: the one model of its parameters, which HTTP validates, OpenAPI shows and the engine takes."""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
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

from papers import Paper
from retrieval_service.errors import BlankQuery, InvalidParameter, QueryTooLong

LONGEST_QUERY = 20_000
"""Characters."""
_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


class Mode(StrEnum):
    """Halves of the search that are used."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


def readable(text: str) -> str:
    """Return the text with a space for every control character and a replacement for every lone surrogate."""
    if text.isprintable():
        return text
    return "".join(
        " " if (kind := unicodedata.category(letter)) == "Cc" else "\ufffd" if kind == "Cs" else letter
        for letter in text
    )


def require_text(text: str | None, name: str) -> str:
    """Return a text that can be searched by.

    Raises:
        BlankQuery: The text is missing or blank.
        QueryTooLong: The text has more than `LONGEST_QUERY` characters.
    """
    if text is None:
        raise BlankQuery(f"Say what you are looking for: {name} is missing.", {"parameter": name})
    if len(text) > LONGEST_QUERY:
        raise QueryTooLong(
            f"The {name} has {len(text)} characters; at most {LONGEST_QUERY} are read. Send a shorter text.",
            {"parameter": name, "length": len(text), "limit": LONGEST_QUERY},
        )
    if not text:
        raise BlankQuery(f"Say what you are looking for: {name} is blank.", {"parameter": name})
    return text


def _clean(text: str) -> str:
    # A text that is too long is refused later, and must not cost any time before.
    return readable(text).strip() if len(text) <= LONGEST_QUERY else text


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
    return [readable(part).strip() for part in parts]


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


def _named(*names: str, **more: Any) -> Any:
    """Return a field with its names in HTTP: the first is documented, the others are aliases."""
    return Field(validation_alias=AliasChoices(*names), **more)


# Validators run from the last to the first.
_Number = Annotated[int, BeforeValidator(_no_bool)]
_Text = Annotated[str, AfterValidator(_clean)]
_Categories = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=100)], ...],
    BeforeValidator(_split),
    BeforeValidator(_strings),
    Field(max_length=64),
]
# One string is one name or id, as these may hold commas.
_Names = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=500)], ...],
    BeforeValidator(_whole),
    BeforeValidator(_strings),
]
_STRING_OR_NULL = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})


@dataclass(frozen=True, kw_only=True)
class SimilarRequest:
    """Number of results, the halves of the search to use, and the conditions that papers meet."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    k: Annotated[_Number, Field(ge=1, le=100, description="How many results.")] = 10
    offset: Annotated[_Number, Field(ge=0, le=1000, description="How many better results to leave out.")] = 0
    mode: Annotated[Mode, Field(description="Which halves of the search to ask.")] = Mode.HYBRID
    categories: Annotated[
        _Categories,
        Field(
            description="Categories of which a paper has at least one; `cs.*` is all of an archive. "
            "A list, or names with commas between them."
        ),
    ] = ()
    categories_all: Annotated[
        _Categories, Field(description="Categories of which a paper has every one; `cs.*` is any of the archive's.")
    ] = ()
    exclude_categories: Annotated[_Categories, Field(description="Categories of which a paper has none.")] = ()
    authors: Annotated[
        _Names,
        AfterValidator(_with_letters),
        Field(
            max_length=32,
            description="Name of an author, or several, of whom at least one wrote the paper: `Erdős`, `Paul Erdős`, "
            "`P. Erdős` or `Erdős, Paul`.",
        ),
    ] = ()
    ids: Annotated[
        _Names,
        Field(
            max_length=1000,
            description="Ids of the only papers to search; ids that are not in the corpus are passed over.",
        ),
    ] = ()
    first: Annotated[
        date | None,
        BeforeValidator(_day(newest=False)),
        _STRING_OR_NULL,
        _named("from", description="Oldest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD."),
    ] = None
    last: Annotated[
        date | None,
        BeforeValidator(_day(newest=True)),
        _STRING_OR_NULL,
        _named("to", description="Newest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD."),
    ] = None
    collapse: Annotated[
        bool, Field(description="Show a paper once when it is there in several versions, or twice by mistake.")
    ] = True
    search_effort: Annotated[
        _Number | None,
        _named(
            "search_effort",
            "nprobe",
            ge=1,
            le=1024,
            description="How deep the vector index is searched, instead of its own number: the inverted lists that "
            "are looked into. `nprobe` is another name.",
        ),
    ] = None

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.first and self.last and self.first > self.last:
            raise InvalidParameter(f"from ({self.first}) must not be after to ({self.last}).", {"parameter": "from"})
        return self


@dataclass(frozen=True, kw_only=True)
class SearchRequest(SimilarRequest):
    """Query or papers to search by, and all that narrows the search."""

    text: Annotated[
        _Text | None,
        _named(
            "query",
            "abstract",
            "q",
            description=f"What is sought: a question, an abstract, an arXiv id or link; at most {LONGEST_QUERY} "
            "characters. `abstract` and `q` are other names.",
        ),
    ] = None
    like: Annotated[
        _Names,
        Field(max_length=32, description="Id of a paper, or several, to find papers like; instead of a query."),
    ] = ()
    unlike: Annotated[
        _Names,
        _named(
            "unlike",
            "dislike",
            max_length=32,
            description="Id of a paper, or several, to find papers unlike; goes with like. `dislike` is another name.",
        ),
    ] = ()
    operators: Annotated[
        bool,
        Field(
            description='Read `"phrases"`, `-exclusions` and `ti: au: abs: cat: id:` in the query; '
            "without, all of it is words."
        ),
    ] = True

    @model_validator(mode="after")
    def _check_what_is_sought(self) -> Self:
        if self.like and self.text is not None:
            raise InvalidParameter("Give either query or like, not both.", {"parameter": "like"})
        if self.unlike and not self.like:
            raise InvalidParameter(
                "unlike goes with like: say also which papers to find papers like.", {"parameter": "unlike"}
            )
        if not self.like:
            require_text(self.text, "query")
        return self


@dataclass(frozen=True, kw_only=True)
class EmbedRequest:
    """Text to embed."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    text: Annotated[
        _Text | None,
        _named(
            "abstract",
            "query",
            "q",
            description=f"The text, at most {LONGEST_QUERY} characters. `query` and `q` are other names.",
        ),
    ] = None


@dataclass(frozen=True)
class Ranked:
    """A found paper.

    Attributes:
        paper: the paper.
        score: higher is better.
        dense: its score in the half that goes by vectors, where that found it.
        lexical: its score in the half that goes by words, where that found it.
        folded: ids of other versions of it that this result stands for.
    """

    paper: Paper
    score: float
    dense: float | None
    lexical: float | None
    folded: tuple[str, ...] = ()


@dataclass
class Timings:
    """Milliseconds of each stage; zero for a stage that was not needed. The halves overlap, so they do not add up."""

    embed_ms: float = 0.0
    vectors_ms: float = 0.0
    lexical_ms: float = 0.0
    fuse_ms: float = 0.0
    fetch_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True)
class SearchOutcome:
    """What a search found.

    Attributes:
        results: best first.
        mode: which halves were asked: the lexical one alone where there were no words but in operators.
        text: the query as it was asked, None when papers were searched by papers.
        words: what of it papers are ranked by; the same but for the operators.
        operators: the operators that were read in it.
        like: the papers it was searched by.
        unlike: the papers it was searched against.
        tokens: the query's length in tokens, where the encoder was asked.
        truncated: whether the encoder read only its beginning.
        degraded: why only one half answered although both were asked.
        searched: papers the filters admitted.
        timings: of the stages.
    """

    results: list[Ranked]
    mode: Mode
    text: str | None
    words: str | None
    operators: tuple[str, ...]
    like: list[Paper]
    unlike: list[Paper]
    tokens: int | None
    truncated: bool
    degraded: str | None
    searched: int
    timings: Timings
