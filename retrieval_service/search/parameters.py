"""Parameters that several requests have: their types, checks and texts."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, StringConstraints, WithJsonSchema

from akin.papers.text.line_ends import join_broken_words
from retrieval_service.errors import BlankQuery, InvalidParameter, QueryTooLong

LONGEST_QUERY = 20_000
"""Characters."""
MOST_LISTED = 1000
"""Papers of a list: to search by, to search among, or to cite."""
_CONTROL, _SURROGATE = re.compile(r"[\x00-\x1f\x7f-\x9f]"), re.compile(r"[\ud800-\udfff]")
_DAY = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


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


def _clean_pasted(text: str) -> str:
    # The words of papers that a line end had broken were joined too, before they were embedded.
    return _clean(join_broken_words(text) if len(text) <= LONGEST_QUERY else text)


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


def field(description: str, *names: str, **bounds: Any) -> Any:
    """Return a field with its description and, unless it is the attribute's, its name in HTTP followed by aliases."""
    return Field(description=description, validation_alias=AliasChoices(*names) if names else None, **bounds)


_STRING_OR_NULL = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]})
# Validators run from the last to the first.
Number = Annotated[int, BeforeValidator(_no_bool)]
"""A number; true and false are none."""
Text = Annotated[str, AfterValidator(_clean)]
PastedText = Annotated[str, AfterValidator(_clean_pasted)]
"""A text to search by, in which words that a line end has broken are joined."""
_Category = Annotated[str, StringConstraints(max_length=100)]
Categories = Annotated[tuple[_Category, ...], BeforeValidator(_split), BeforeValidator(_strings), Field(max_length=64)]
# A name or an id may hold commas, so a string is not split.
_Name = Annotated[str, StringConstraints(max_length=500)]
Names = Annotated[tuple[_Name, ...], BeforeValidator(_whole), BeforeValidator(_strings)]
People = Annotated[Names, AfterValidator(_with_letters)]
FirstDay = Annotated[date | None, BeforeValidator(_day(newest=False)), _STRING_OR_NULL]
LastDay = Annotated[date | None, BeforeValidator(_day(newest=True)), _STRING_OR_NULL]
Real = Annotated[float, BeforeValidator(_no_bool)]
"""A number with a fraction; true and false are none."""
Weight = Annotated[Real, Field(ge=0, le=1, allow_inf_nan=False)]
"""A number from 0 to 1."""


def check_one_text(text: str | None, abstract: str | None) -> None:
    """Raise InvalidParameter if there is both a query and an abstract; an abstract alone is the text too."""
    if abstract is not None and text != abstract:
        raise InvalidParameter("Give either query or abstract, not both.", {"parameter": "abstract"})


def check_days(first: date | None, last: date | None) -> None:
    """Raise InvalidParameter if the first day is after the last one."""
    if first and last and first > last:
        raise InvalidParameter(f"from ({first}) must not be after to ({last}).", {"parameter": "from"})
