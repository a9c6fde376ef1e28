"""Parse the query box: `"phrases"`, `-exclusions` and `ti: au: abs: cat: id:` before a word or a phrase.

    "neural operator" -transformer au:"Zongyi Li" cat:cs.LG,math.* turbulence

Operators are conditions on the papers, the same for both searches, dense and lexical: each must hold. The other words
rank the papers; the words of a phrase without a prefix belong to them. Users paste titles and abstracts with hyphens,
colons and quotation marks, so unclear cases are words. A text longer than `LONGEST_WITH_OPERATORS` has no operators.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrieval_service.filter import CATALOGUE_FIELDS, Field

LONGEST_WITH_OPERATORS = 300
"""Characters. A longer query is a pasted text."""

_FIELDS = {"ti": Field.TITLE, "abs": Field.ABSTRACT, "au": Field.AUTHOR, "cat": Field.CATEGORY, "id": Field.ROW}
_OPERATOR = re.compile(
    r"""(?<!\S)(?P<not>-)?(?:(?P<prefix>ti|abs|au|cat|id):)?(?:"(?P<phrase>[^"]*)"(?!\w)|(?P<word>[^\s"]\S*))"""
)
_EXCLUDABLE = re.compile(r"[^\W\d_](?:[\w.'’-]*\w)?")  # a word, and no bracket or colon that belongs to a sentence
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})


@dataclass(frozen=True)
class Operator:
    """One operator of a query.

    Attributes:
        field: The field of its values.
        values: Alternatives; several only for categories and ids.
        excluded: True if papers that have one of the values are left out.
        text: The operator as it was written.
    """

    field: Field
    values: tuple[str, ...]
    excluded: bool
    text: str


@dataclass(frozen=True)
class ParsedQuery:
    """A query, split into words and operators.

    Attributes:
        words: The words that papers are ranked by; blank when there are only operators.
        operators: In the order written.
    """

    words: str
    operators: tuple[Operator, ...] = ()


def parse_query(text: str) -> ParsedQuery:
    """Split a query into words and operators."""
    if len(text) > LONGEST_WITH_OPERATORS:
        return ParsedQuery(text)
    operators: list[Operator] = []
    words: list[str] = []
    for found in _OPERATOR.finditer(text.translate(_QUOTES)):
        operator = _operator(found)
        if operator is None:
            words.append(found[0])
            continue
        operators.append(operator)
        if operator.field is Field.ANYWHERE and not operator.excluded:
            words.append(operator.values[0])
    # Without operators the text stays as it was typed.
    return ParsedQuery(" ".join(words), tuple(operators)) if operators else ParsedQuery(text)


def _operator(found: re.Match[str]) -> Operator | None:
    prefix, phrase, word = found["prefix"], found["phrase"], found["word"]
    value = (phrase if phrase is not None else word).strip()
    excluded = found["not"] is not None
    if not any(map(str.isalnum, value)):
        return None
    if prefix is None and phrase is None and not (excluded and _EXCLUDABLE.fullmatch(word)):
        return None
    field = _FIELDS[prefix] if prefix else Field.ANYWHERE
    several = field in CATALOGUE_FIELDS
    values = tuple(part for part in value.split(",") if part) if several else (value,)
    return Operator(field, values, excluded, found[0])
