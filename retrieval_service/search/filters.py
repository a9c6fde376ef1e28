"""Turn a request into a filter: category patterns, names, ids, days and the operators of the query.

The catalogue answers `filter.CATALOGUE_FIELDS` and the days, the lexical index the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from itertools import islice

import numpy as np

from papers import ALIASES, CATEGORIES, parse_arxiv_id
from retrieval_service.errors import UnknownCategory
from retrieval_service.filter import CATALOGUE_FIELDS, Clause, Field, Filter
from retrieval_service.ports import Catalogue, LexicalIndex, RowSet
from retrieval_service.search.operators import ParsedQuery
from retrieval_service.search.request import SearchRequest, Withdrawn

_TAXONOMY = frozenset(CATEGORIES) | frozenset(ALIASES)
_SUGGESTIONS = 3
_COMPARED = 500  # codes that an unknown one is compared with, each of which may take 0.2 ms


def make_filter(request: SearchRequest, query: ParsedQuery, catalogue: Catalogue) -> Filter | None:
    """Return the filter of a request and of the operators in its query; None if every paper is admitted.

    Ids that the corpus lacks admit nothing: a list of papers may be longer than the corpus.

    Raises:
        UnknownCategory: A category is neither in the corpus nor in arXiv's taxonomy.
    """
    conditions = [(Field.CATEGORY, request.categories, False)] if request.categories else []
    conditions += [(Field.CATEGORY, (name,), False) for name in request.categories_all]
    conditions += [(Field.CATEGORY, request.exclude_categories, True)] if request.exclude_categories else []
    conditions += [(Field.AUTHOR, request.authors, False)] if request.authors else []
    conditions += [(Field.ROW, request.ids, False)] if request.ids else []
    if request.withdrawn is not Withdrawn.INCLUDE:
        conditions.append((Field.WITHDRAWN, (), request.withdrawn is Withdrawn.EXCLUDE))
    conditions += [(operator.field, operator.values, operator.excluded) for operator in query.operators]
    clauses = [Clause(field, _values(field, values, catalogue), excluded) for field, values, excluded in conditions]
    if not (clauses or request.first or request.last):
        return None
    # Sorted, so that the same conditions in another order are the same key where rows are cached.
    ordered = sorted(set(clauses), key=lambda clause: (clause.field, clause.excluded, str(clause.values)))
    return Filter(tuple(ordered), request.first, request.last)


def filter_rows(wanted: Filter, catalogue: Catalogue, lexical: LexicalIndex) -> RowSet:
    """Return the rows that a filter admits."""
    rows = catalogue.find_rows(wanted)
    words = [clause for clause in wanted.clauses if clause.field not in CATALOGUE_FIELDS]
    if not words:
        return rows
    mask = rows.mask & lexical.find_rows(words)
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
