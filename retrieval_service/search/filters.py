"""From a request to a filter: the operators of the query box, category patterns, names, ids and days.

The query box reads `"phrases"`, `-exclusions` and `ti: au: abs: cat: id:` before a word or a phrase:

    "neural operator" -transformer au:"Zongyi Li" cat:cs.LG,math.* turbulence

Operators are conditions on the papers, the same for both searches, dense and lexical: each must hold. Papers are ranked
by the other words; the words of a phrase without a prefix are among them, as they say what is wanted. Only what is
clearly an operator is read as one: users paste titles and abstracts, with hyphens, colons and quotation marks of their
own. In a text longer than `LONGEST_WITH_OPERATORS` nothing is an operator.

`ports.Filter` is the result. The catalogue answers `ports.CATALOGUE_FIELDS` and the days, the lexical index the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

import numpy as np

from papers import ALIASES, CATEGORIES, parse_arxiv_id
from retrieval_service.errors import UnknownCategory
from retrieval_service.ports import CATALOGUE_FIELDS, Catalogue, Clause, Field, Filter, LexicalIndex, RowSet
from retrieval_service.search.request import SearchRequest

LONGEST_WITH_OPERATORS = 300
"""Characters. A longer query is a pasted text."""

_FIELDS = {"ti": Field.TITLE, "abs": Field.ABSTRACT, "au": Field.AUTHOR, "cat": Field.CATEGORY, "id": Field.ROW}
_OPERATOR = re.compile(
    r"""(?<!\S)(?P<not>-)?(?:(?P<prefix>ti|abs|au|cat|id):)?(?:"(?P<phrase>[^"]*)"(?!\w)|(?P<word>[^\s"]\S*))"""
)
_EXCLUDABLE = re.compile(r"[^\W\d_](?:[\w.'’-]*\w)?")  # a word, and no bracket or colon that belongs to a sentence
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})

_TAXONOMY = frozenset(CATEGORIES) | frozenset(ALIASES)
_SUGGESTIONS = 3
_COMPARED = 500  # codes that an unknown one is compared with, each of which may take 0.2 ms


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


def make_filter(request: SearchRequest, query: ParsedQuery, catalogue: Catalogue) -> Filter | None:
    """Return the filter of a request and of the operators in its query; None where every paper is admitted.

    Ids that the corpus lacks admit nothing: a list of papers may be longer than the corpus.

    Raises:
        UnknownCategory: A category is neither in the corpus nor in arXiv's taxonomy.
    """
    conditions = [(Field.CATEGORY, request.categories, False)] if request.categories else []
    conditions += [(Field.CATEGORY, (name,), False) for name in request.categories_all]
    conditions += [(Field.CATEGORY, request.exclude_categories, True)] if request.exclude_categories else []
    conditions += [(Field.AUTHOR, request.authors, False)] if request.authors else []
    conditions += [(Field.ROW, request.ids, False)] if request.ids else []
    conditions += [(operator.field, operator.values, operator.excluded) for operator in query.operators]
    clauses = [Clause(field, _values(field, values, catalogue), excluded) for field, values, excluded in conditions]
    if not (clauses or request.first or request.last):
        return None
    # Sorted, so that the same conditions in another order are the same key where rows are cached.
    ordered = sorted(set(clauses), key=lambda clause: (clause.field, clause.excluded, str(clause.values)))
    return Filter(tuple(ordered), request.first, request.last)


def filter_rows(wanted: Filter, catalogue: Catalogue, lexical: LexicalIndex) -> RowSet:
    """Return the rows that a filter admits."""
    rows = catalogue.matching(wanted)
    words = [clause for clause in wanted.clauses if clause.field not in CATALOGUE_FIELDS]
    if not words:
        return rows
    mask = rows.mask & lexical.matching(words)
    return RowSet(mask, int(np.count_nonzero(mask)))


def rows_by_name(ids: Sequence[str], catalogue: Catalogue) -> dict[str, int | None]:
    """Return the row of each paper, by its corpus's id or any form of its arXiv id; None for an unknown paper."""
    if not ids:
        return {}
    canonical = {name: found.id for name in ids if (found := parse_arxiv_id(name)) is not None}
    known = catalogue.rows([*ids, *canonical.values()])
    return {name: known.get(name, known.get(canonical.get(name, name))) for name in ids}


def category_codes(wanted: Sequence[str], corpus: Collection[str]) -> tuple[str, ...]:
    """Return the codes of category patterns: `cs.LG`, in upper or lower case, is itself; `cs.*` is a whole archive.

    Codes that arXiv has and the corpus lacks are kept: they admit no paper.

    Raises:
        UnknownCategory: A category is neither in the corpus nor in arXiv's taxonomy.
    """
    folded = {code.lower(): code for code in (*sorted(_TAXONOMY), *corpus)}
    codes: dict[str, None] = {}
    for name in wanted:
        lower = name.lower()
        if lower.endswith(".*"):
            # Papers from before an archive was divided have its bare name.
            archive = lower[:-2]
            found = [code for low, code in folded.items() if low == archive or low.startswith(f"{archive}.")]
        else:
            found = [folded[lower]] if lower in folded else []
        if not found:
            raise _unknown_category(name, folded)
        codes.update(dict.fromkeys(found))
    return tuple(codes)


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


def _values(field: Field, values: Sequence[str], catalogue: Catalogue) -> tuple[str | int, ...]:
    if field is Field.CATEGORY:
        return category_codes(values, catalogue.categories)
    if field is Field.ROW:
        found = rows_by_name(values, catalogue).values()
        return tuple(sorted({row for row in found if row is not None}))
    return tuple(values)


def _unknown_category(name: str, folded: dict[str, str]) -> UnknownCategory:
    shown = name[:40]
    if any(low.startswith(f"{name.lower()}.") for low in folded):
        near = [f"{shown.lower()}.*"]
    else:
        likely = islice(folded, _COMPARED)  # arXiv's codes first, then the corpus's, the largest first
        near = [folded[low] for low in get_close_matches(shown.lower(), likely, _SUGGESTIONS, 0.5)]
    hint = f" Did you mean {' or '.join(near)}?" if near else " GET /corpus lists the categories there are."
    return UnknownCategory(f"There is no category {shown!r}.{hint}", {"category": shown, "near": near})
