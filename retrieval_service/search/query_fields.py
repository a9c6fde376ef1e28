"""Read one field of a query, `ti:graph` or `submittedDate:[2023 TO 2024]`, as a condition.

Akin has its own short names. The names of arXiv's interface (API User's Manual, "Details of Query Construction"), of
its search page and of Google Scholar are read as well. A field that papers have and no index holds gets a note.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date, timedelta

from akin.papers import CATEGORIES
from retrieval_service.errors import InvalidQuery
from retrieval_service.filter import AnyOf, Clause, Condition, Field
from retrieval_service.search.sentences import Sentence, sentence

_FIELDS = {
    **dict.fromkeys(("ti", "title", "intitle"), Field.TITLE),
    **dict.fromkeys(("abs", "abstract"), Field.ABSTRACT),
    **dict.fromkeys(("au", "author", "authors", "inauthor"), Field.AUTHOR),
    **dict.fromkeys(("cat", "category", "categories"), Field.CATEGORY),
    "id": Field.ROW,
    "cites": Field.CITES,
    **dict.fromkeys(("cited-by", "citedby", "cited_by"), Field.CITED_BY),
    "all": Field.ANYWHERE,
}
_DAYS = frozenset(["submittedDate", "submitteddate", "date", "year", "from", "since", "after", "to", "until", "before"])
_FROM, _BEFORE, _UNTIL = frozenset(["from", "since", "after"]), "before", frozenset(["to", "until"])
_NOT_HELD = {
    **dict.fromkeys(("co", "comment", "comments"), "comments_not_searched"),
    **dict.fromkeys(("jr", "journal", "journal_ref"), "journals_not_searched"),
    **dict.fromkeys(("rn", "report"), "reports_not_held"),
    **dict.fromkeys(("lastUpdatedDate", "lastupdateddate"), "updates_not_searched"),
    **dict.fromkeys(("site", "inurl", "filetype", "source"), "one_corpus"),
    **dict.fromkeys(("sort", "sortBy", "sortby"), "order_is_fixed"),
    **dict.fromkeys(("msc", "acm"), "classes_not_held"),
}
NAMES = frozenset([*_FIELDS, *_DAYS, *_NOT_HELD])
"""All names of fields that are read."""

_RANGE = re.compile(r"\[\s*(\S+)\s+TO\s+(\S+?)\s*\]")
_YEARS = re.compile(r"((?:19|20)\d\d)(?:\.\.|-|–)((?:19|20)\d\d)")
_POINT = re.compile(r"(\d{4})(?:-?(\d{2})(?:-?(\d{2})(?:[T-]?(\d{2}):?(\d{2})?:?(\d{2})?Z?)?)?)?", re.ASCII)
_PATTERN = re.compile(r"[^\W_]{2,40}(?:[*?]+[^\W_]{1,40}){0,2}\*?")
_MEANT_AS_PATTERN = re.compile(r"\w\w\*|^\w+\*$|(?<!\S)\*\w\w|\w \* \w")
_LEAST = {Field.AUTHOR: 2}
_LONGEST_ARCHIVE = 5  # letters without a hyphen: "econ", "physics" is a name too
_SHOWN = 100  # characters of a condition in a message
_LEAST_LETTERS = 3  # before the first sign that stands for others: fewer letters begin too many words


@dataclass(frozen=True)
class Term:
    """One condition of a query.

    Attributes:
        condition: The condition.
        text: The condition as it was written.
        ranks: Words that rank the papers too; blank if there are none.
    """

    condition: Condition
    text: str
    ranks: str = ""


def read_term(name: str | None, value: str, *, quoted: bool, text: str, notes: list[Sentence]) -> Term | None:
    """Return the condition of a field and a value; None, with a note in `notes`, if there is none in it.

    Args:
        name: The name of the field; None for a phrase without one.
        value: What stands behind the colon, without quotation marks.
        quoted: True if the value stood in quotation marks.
        text: The field and the value as they were written.
        notes: Gets what the reader should know.

    Raises:
        InvalidQuery: A day does not exist, or a range ends before it begins.
    """
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    if name in _NOT_HELD:
        notes.append(sentence(_NOT_HELD[name], text=shown))
        return None
    if name in _DAYS:
        return _days(name, value, shown, notes)
    if not any(map(str.isalnum, value)):
        if name or (quoted and value.strip()):
            notes.append(sentence("no_letter", text=shown))
        return None
    field = _FIELDS[name] if name else Field.ANYWHERE
    if field in (Field.CATEGORY, Field.ROW, Field.CITES, Field.CITED_BY):
        if field is Field.CATEGORY and quoted and (codes := _codes_of_name(value)):
            return Term(Clause(field, codes), text)
        values = tuple(part for part in re.split(r"[,\s]+" if quoted else ",", value) if part)
        return Term(Clause(field, values), text)
    clause = _words_clause(field, value, quoted, shown, notes)
    if name == "all":
        return Term(AnyOf((clause, replace(clause, field=Field.AUTHOR))), text, value.replace("*", ""))
    return Term(clause, text, "" if name else value)


def _codes_of_name(value: str) -> tuple[str, ...]:
    """Return the categories of a name, "Digital Libraries"; several words that are no codes are one unknown name."""
    name = value.casefold()
    codes = tuple(code for code, known in CATEGORIES.items() if known.casefold() == name)
    words = value.split()
    unknown = len(words) > 1 and all(word.isalpha() and len(word) > _LONGEST_ARCHIVE for word in words)
    return codes or ((value,) if unknown else ())


def _words_clause(field: Field, value: str, quoted: bool, text: str, notes: list[Sentence]) -> Clause:
    if "*" in value or "?" in value[:-1]:
        least = _LEAST.get(field, _LEAST_LETTERS)
        if not quoted and _PATTERN.fullmatch(value) and len(re.split(r"[*?]", value)[0]) >= least:
            return Clause(field, (value.lower(),), pattern=True)
        if _MEANT_AS_PATTERN.search(value):
            notes.append(sentence("star_not_read", text=text, least=least))
    if field is Field.AUTHOR and not quoted:
        value = _arxiv_name(value)
    return Clause(field, (value,))


def _arxiv_name(value: str) -> str:
    """Return a name in which arXiv's interface writes underscores: `del_maestro`, `verne_a` with the initial last."""
    words = value.replace("_", " ").split()
    if "_" in value and len(words[-1]) == 1:
        first = next(place for place in range(len(words), 0, -1) if len(words[place - 1]) > 1 or place == 1)
        return f"{' '.join(words[:first])}, {' '.join(words[first:])}"
    return " ".join(words)


def day_range(value: str) -> tuple[date, date] | None:
    """Return the first and the last day of a range of years, `2019..2021`; None for another text."""
    found = _YEARS.fullmatch(value)
    if found is None or ".." not in value:
        return None
    return date(int(found[1]), 1, 1), date(int(found[2]), 12, 31)


def day_term(first: date, last: date, text: str) -> Term:
    """Return the condition that a paper's date lies between two days.

    Raises:
        InvalidQuery: The range ends before it begins.
    """
    if first > last:
        raise InvalidQuery(
            f"{text} ends before it begins; write the earlier date first.", {"parameter": "query", "text": text}
        )
    return Term(Clause(Field.DAY, (first.toordinal(), last.toordinal())), text)


def _days(name: str, value: str, text: str, notes: list[Sentence]) -> Term | None:
    if found := _RANGE.fullmatch(value):
        (first, first_end), (_, last) = _point(found[1], text), _point(found[2], text)
        return day_term(first, last if found[1] != found[2] else max(first, first_end), text)
    if years := _YEARS.fullmatch(value):
        return day_term(date(int(years[1]), 1, 1), date(int(years[2]), 12, 31), text)
    if not _POINT.fullmatch(value):
        notes.append(sentence("no_date", text=text))
        return None
    first, last = _point(value, text)
    if name in _FROM:
        last = date.max
    elif name == _BEFORE:
        first, last = date.min, first - timedelta(days=1) if first > date.min else first
    elif name in _UNTIL:
        first = date.min
    return day_term(first, last, text)


def _point(value: str, text: str) -> tuple[date, date]:
    """Return the first and the last day that a date in a range may mean; both ends of time for `*`."""
    if value == "*":
        return date.min, date.max
    found = _POINT.fullmatch(value)
    try:
        if found is None:
            raise ValueError
        year, month, day = int(found[1]), int(found[2] or 1), found[3]
        first = date(year, month, int(day or 1))
        if day is None:
            month = int(found[2] or 12)
            return first, date(year, month, monthrange(year, month)[1])
        # A range until midnight ends with the day before.
        midnight = found[5] is not None and not any(int(found[part] or 0) for part in (4, 5, 6))
        return first, first - timedelta(days=1) if midnight else first
    except (ValueError, OverflowError):
        raise InvalidQuery(
            f"{value[:40]} in {text} is no date that exists: write YYYY, YYYYMM, YYYYMMDD or YYYYMMDDHHMM.",
            {"parameter": "query", "text": text},
        ) from None
