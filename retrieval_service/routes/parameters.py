"""The names a request may use, the same in a query string and in a JSON body."""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from retrieval_service.errors import BlankQuery, InvalidParameter, QueryTooLong
from retrieval_service.search.request import (
    DEEPEST_OFFSET,
    LONGEST_QUERY,
    MOST_IDS,
    MOST_LIKED,
    MOST_LISTS,
    MOST_RESULTS,
    Mode,
    SearchRequest,
)

Model = TypeVar("Model", bound=BaseModel)

_TEXT_NAMES = ("query", "abstract", "q")
_UNLIKE_NAMES = ("unlike", "dislike")
_UNLIKE = {"parameter": "unlike"}
_LISTS = frozenset(
    {"categories", "categories_all", "exclude_categories", "authors", "ids", "like", "unlike", "dislike"}
)
_MOST_CATEGORIES = 64
_MOST_AUTHORS = 32
_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


def _no_bool(value: object) -> object:
    # JSON's true is no number, although Python's is.
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _listed(value: object) -> object:
    """A list of names from a list, or from one string with commas."""
    parts = _strings(value, "must be a name or a list of names")
    return [name for part in parts for piece in part.split(",") if (name := piece.strip())]


def _strings(value: object, otherwise: str) -> list[str]:
    parts: list[object] = value if isinstance(value, list) else [value]
    strings = [part for part in parts if isinstance(part, str)]
    if len(strings) < len(parts):
        raise ValueError(otherwise)
    return strings


def _one_or_many(value: object) -> object:
    return _whole(value, "must be an id or a list of ids")


def _names_of_people(value: object) -> object:
    names = _whole(value, "must be a name or a list of names")
    if not all(any(map(str.isalnum, name)) for name in names):
        raise ValueError("must be names, with letters in them")
    return names


def _whole(value: object, otherwise: str) -> list[str]:
    """A list of strings that may hold commas of their own: one string is one of them."""
    parts = _strings(value, otherwise)
    if not all(part.strip() for part in parts):
        raise ValueError("must not be blank")
    return [readable(part).strip() for part in parts]


Number = Annotated[int, BeforeValidator(_no_bool)]
Name = Annotated[str, StringConstraints(max_length=100)]
PaperName = Annotated[str, StringConstraints(max_length=500)]
Categories = Annotated[list[Name], BeforeValidator(_listed), Field(max_length=_MOST_CATEGORIES)]
Papers = Annotated[list[PaperName], BeforeValidator(_one_or_many)]


class Narrowing(BaseModel):
    """How many results, by which half of the search, of which papers."""

    model_config = ConfigDict(extra="forbid")

    k: Annotated[Number, Field(ge=1, le=MOST_RESULTS, description="How many results.")] = 10
    offset: Annotated[Number, Field(ge=0, le=DEEPEST_OFFSET, description="How many better results to leave out.")] = 0
    mode: Annotated[Mode, Field(description="Which halves of the search to ask.")] = Mode.HYBRID
    categories: Annotated[
        Categories,
        Field(
            description="Categories of which a paper has at least one; `cs.*` is all of an archive. "
            "A list, or names with commas between them.",
        ),
    ] = []
    categories_all: Annotated[
        Categories, Field(description="Categories of which a paper has every one; `cs.*` is any of the archive's.")
    ] = []
    exclude_categories: Annotated[Categories, Field(description="Categories of which a paper has none.")] = []
    authors: Annotated[
        list[PaperName],
        BeforeValidator(_names_of_people),
        Field(
            max_length=_MOST_AUTHORS,
            description="Name of an author, or several, of whom one at least wrote the paper: `Erdős`, `Paul Erdős`, "
            "`P. Erdős` or `Erdős, Paul`.",
        ),
    ] = []
    ids: Annotated[
        Papers,
        Field(
            max_length=MOST_IDS,
            description="Ids of the only papers to search; those that are not in the corpus are passed over.",
        ),
    ] = []
    first: Annotated[
        str | None, Field(alias="from", description="Oldest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.")
    ] = None
    last: Annotated[
        str | None, Field(alias="to", description="Newest day, month or year: YYYY, YYYY-MM or YYYY-MM-DD.")
    ] = None
    collapse: Annotated[
        bool, Field(description="Show a paper once when it is there in several versions, or twice by mistake.")
    ] = True
    nprobe: Annotated[
        Number | None,
        Field(ge=1, le=MOST_LISTS, description="Inverted lists to look into, instead of the index's own number."),
    ] = None

    def request(self, text: str | None = None, **more: Any) -> SearchRequest:
        """The request for a text, or for papers that are among what else is known of it.

        Raises:
            InvalidParameter: the days are none, or in the wrong order.
        """
        first, last = _day("from", self.first, newest=False), _day("to", self.last, newest=True)
        if first and last and first > last:
            raise InvalidParameter(f"from ({self.first}) must not be after to ({self.last}).", {"parameter": "from"})
        return SearchRequest(
            text=text,
            k=self.k,
            offset=self.offset,
            mode=self.mode,
            categories=tuple(self.categories),
            categories_all=tuple(self.categories_all),
            exclude_categories=tuple(self.exclude_categories),
            authors=tuple(self.authors),
            ids=tuple(self.ids),
            first=first,
            last=last,
            collapse=self.collapse,
            nprobe=self.nprobe,
            **more,
        )


class SearchParameters(Narrowing):
    """What is sought, in words or by papers, and how."""

    query: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices(*_TEXT_NAMES),
            description=f"What is sought: a question, an abstract, an arXiv id or link; at most {LONGEST_QUERY} "
            "characters. `abstract` and `q` are other names for it.",
        ),
    ] = None
    like: Annotated[
        Papers,
        Field(max_length=MOST_LIKED, description="Id of a paper, or several, to find papers like; instead of a query."),
    ] = []
    unlike: Annotated[
        Papers,
        Field(
            max_length=MOST_LIKED,
            validation_alias=AliasChoices(*_UNLIKE_NAMES),
            description="Id of a paper, or several, to find papers unlike; goes with like. `dislike` is another name.",
        ),
    ] = []
    operators: Annotated[
        bool,
        Field(
            description='Read `"phrases"`, `-exclusions` and `ti: au: abs: cat: id:` in the query; '
            "without, all of it is words."
        ),
    ] = True

    def search(self) -> SearchRequest:
        """The request.

        Raises:
            InvalidParameter: it asks nothing, or by words and by papers at once.
        """
        if self.like:
            if self.query is not None:
                raise InvalidParameter("Give either query or like, not both.", {"parameter": "like"})
            return self.request(like=tuple(self.like), unlike=tuple(self.unlike))
        if self.unlike:
            raise InvalidParameter("unlike goes with like: say also which papers to find papers like.", _UNLIKE)
        return self.request(checked_text(self.query, "query"), operators=self.operators)


class EmbedParameters(BaseModel):
    """A text to embed."""

    model_config = ConfigDict(extra="forbid")

    abstract: Annotated[
        str | None,
        Field(
            validation_alias=AliasChoices("abstract", "query", "q"),
            description=f"The text, at most {LONGEST_QUERY} characters. `query` and `q` are other names for it.",
        ),
    ] = None


def read(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Values by name, as a model's fields.

    Raises:
        InvalidParameter: a name is unknown or given twice, or a value is wrong.
    """
    for same in (_TEXT_NAMES, _UNLIKE_NAMES):
        given = [name for name in same if name in values]
        if len(given) > 1:
            raise InvalidParameter(
                f"{' and '.join(given)} are names of the same parameter; give one.", {"parameter": given[1]}
            )
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _explained(error, model) from None


def query_values(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The values of a query string, where a name that takes a list may come several times.

    Raises:
        InvalidParameter: another name comes several times.
    """
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in _LISTS:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidParameter(f"{name[:40]} is given more than once.", {"parameter": name[:40]})
        else:
            values[name] = value
    return values


def checked_text(text: str | None, name: str) -> str:
    """A text that can be searched by.

    Raises:
        BlankQuery: there is none, or nothing in it.
        QueryTooLong: it is longer than is read.
    """
    if text is None:
        raise BlankQuery(f"Say what you are looking for: {name} is missing.", {"parameter": name})
    if len(text) > LONGEST_QUERY:
        raise QueryTooLong(
            f"The {name} has {len(text)} characters; at most {LONGEST_QUERY} are read. An abstract is enough.",
            {"parameter": name, "length": len(text), "limit": LONGEST_QUERY},
        )
    text = readable(text).strip()
    if not text:
        raise BlankQuery(f"Say what you are looking for: {name} is blank.", {"parameter": name})
    return text


def readable(text: str) -> str:
    """The text with a space for every control character and a replacement for every lone surrogate."""
    if text.isprintable():
        return text
    return "".join(
        " " if (kind := unicodedata.category(letter)) == "Cc" else "\ufffd" if kind == "Cs" else letter
        for letter in text
    )


def _day(name: str, text: str | None, *, newest: bool) -> date | None:
    if text is None or not text.strip():
        return None
    match = _DAY.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        year, month = int(match[1]), int(match[2] or (12 if newest else 1))
        return date(year, month, int(match[3] or (monthrange(year, month)[1] if newest else 1)))
    except ValueError:
        raise InvalidParameter(
            f"{name} must be a day, month or year that exists, as YYYY-MM-DD, YYYY-MM or YYYY, not {text[:40]!r}.",
            {"parameter": name},
        ) from None


def _explained(error: ValidationError, model: type[BaseModel]) -> InvalidParameter:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])[:40] if first["loc"] else "parameters"
    if first["type"] == "extra_forbidden":
        near = get_close_matches(name, _names(model), 1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(_names(model))}."
        return InvalidParameter(f"There is no parameter {name!r}.{hint}", {"parameter": name, "near": near})
    what = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ").rstrip(".")
    what = f"must be {what}" if not what.startswith("must") else what
    return InvalidParameter(f"{name} {what}.", {"parameter": name})


def _names(model: type[BaseModel]) -> list[str]:
    names: list[str] = []
    for field, info in model.model_fields.items():
        alias = info.validation_alias
        names += map(str, alias.choices) if isinstance(alias, AliasChoices) else [str(alias or field)]
    return names
