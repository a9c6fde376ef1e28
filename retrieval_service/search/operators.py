"""Reading the query box: `"phrases"`, `-exclusions` and `ti: au: abs: cat: id:` before a word or a phrase.

    "neural operator" -transformer au:"Zongyi Li" cat:cs.LG,math.* turbulence

Operators are conditions on the papers, the same for both halves of the search: each must hold. What is left are the
words that papers are ranked by; the words of a phrase without a prefix are among them, as they say what is sought.
Everything that is not clearly an operator is words: titles and abstracts are pasted here, with hyphens, colons and
quotation marks of their own. In a text longer than `LONGEST_WITH_OPERATORS` nothing is an operator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrieval_service.ports import Field

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
    """One operator as it was written.

    Attributes:
        field: what its values are about.
        values: alternatives; several only for categories and ids.
        excluded: whether papers that have one are out.
        written: the operator itself.
    """

    field: Field
    values: tuple[str, ...]
    excluded: bool
    written: str


@dataclass(frozen=True)
class ParsedQuery:
    """A query taken apart.

    Attributes:
        words: what papers are ranked by; blank when there are operators alone.
        operators: in the order written.
    """

    words: str
    operators: tuple[Operator, ...] = ()


def parse_query(text: str) -> ParsedQuery:
    """Takes a query apart."""
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
    several = field in (Field.CATEGORY, Field.ROW)
    values = tuple(part for part in value.split(",") if part) if several else (value,)
    return Operator(field, values, excluded, found[0])
