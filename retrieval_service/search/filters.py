"""Turn a request into a filter: category patterns, names, ids, days and the operators of the query.

The catalogue answers `filter.CATALOGUE_FIELDS` and the days, the lexical index the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from akin.papers import ALIASES, CATEGORIES, SUCCESSORS, parse_arxiv_id
from retrieval_service.deadline import check_deadline
from retrieval_service.errors import InvalidQuery, NoReferences, UnknownCategory, UnknownPaper
from retrieval_service.filter import CATALOGUE_FIELDS, AllOf, AnyOf, Clause, Condition, Field, Filter, clauses_of
from retrieval_service.ports import Catalogue, LexicalIndex, References, Rows, RowSet
from retrieval_service.search.named_papers import named_doi
from retrieval_service.search.operators import ParsedQuery
from retrieval_service.search.request import SearchRequest, Withdrawn
from retrieval_service.search.sentences import Sentence, sentence

_TAXONOMY = frozenset(CATEGORIES) | frozenset(ALIASES)
_MOST_JOINED = 100  # clauses, each of which is searched for by itself
_SUGGESTIONS = 3
_COMPARED = 500  # codes that an unknown one is compared with, each of which may take 0.2 ms


def make_filter(
    request: SearchRequest, query: ParsedQuery, catalogue: Catalogue, references: References | None = None
) -> Filter | None:
    """Return the filter of a request and of the operators in its query; None if every paper is admitted.

    Ids that the corpus lacks admit nothing: a list of papers may be longer than the corpus.

    Raises:
        UnknownCategory: A category is neither in the corpus nor in arXiv's taxonomy.
        UnknownPaper: The corpus lacks a paper whose references or citations are a condition.
        NoReferences: References are a condition, and the corpus has none.
        InvalidQuery: Too many conditions are joined.
    """
    conditions = [(Field.CATEGORY, request.categories, False)] if request.categories else []
    conditions += [(Field.CATEGORY, (name,), False) for name in request.categories_all]
    conditions += [(Field.CATEGORY, request.exclude_categories, True)] if request.exclude_categories else []
    conditions += [(Field.AUTHOR, request.authors, False)] if request.authors else []
    conditions += [(Field.ROW, request.ids, False)] if request.ids else []
    conditions += [(Field.CITES, request.cites, False)] if request.cites else []
    conditions += [(Field.CITED_BY, request.cited_by, False)] if request.cited_by else []
    if request.withdrawn is not Withdrawn.INCLUDE:
        conditions.append((Field.WITHDRAWN, (), request.withdrawn is Withdrawn.EXCLUDE))
    clauses = [
        _resolved(Clause(field, values, excluded), catalogue, references) for field, values, excluded in conditions
    ]
    joined: list[AllOf | AnyOf] = []
    first, last = request.first, request.last
    for operator in query.operators:
        wanted = _with_rows(operator.condition, catalogue, references)
        for part in wanted.parts if isinstance(wanted, AllOf) else (wanted,):
            if not isinstance(part, Clause):
                joined.append(part)
            elif part.field is Field.DAY and not part.excluded:
                begin, end = (date.fromordinal(int(day)) for day in part.values)
                first, last = max(first or date.min, begin), min(last or date.max, end)
            else:
                clauses.append(part)
    if not (clauses or joined or first or last):
        return None
    if (count := sum(1 for part in joined for _ in clauses_of(part))) > _MOST_JOINED:
        raise InvalidQuery(
            f"The query joins {count} conditions; at most {_MOST_JOINED} are searched for. Send a shorter query.",
            {"parameter": "query", "limit": _MOST_JOINED},
        )
    # Sorted, so that the same conditions in another order are the same key where rows are cached.
    ordered = sorted(set(clauses), key=lambda clause: (clause.field, clause.excluded, str(clause.values)))
    return Filter(tuple(ordered), first, last, tuple(dict.fromkeys(joined)))


def filter_rows(wanted: Filter, catalogue: Catalogue, lexical: LexicalIndex) -> RowSet:
    """Return the rows that a filter admits.

    Raises:
        InvalidQuery: A condition has no word that the index could hold, so that it would admit every paper or none.
    """
    for clause in (inner for part in (*wanted.clauses, *wanted.joined) for inner in clauses_of(part)):
        if clause.field not in CATALOGUE_FIELDS and (silent := lexical.values_without_terms(clause)):
            shown = str(silent[0])[:60]
            raise InvalidQuery(
                f"{shown!r} has no word that can be searched for in {clause.field}; leave it out.",
                {"parameter": "query", "value": shown, "text": shown},
            )
    rows = catalogue.find_rows(replace(wanted, joined=()) if wanted.joined else wanted)
    masks = [_joined_rows(condition, catalogue, lexical) for condition in wanted.joined]
    if words := [clause for clause in wanted.clauses if clause.field not in CATALOGUE_FIELDS]:
        masks.append(lexical.find_rows(words))
    if not masks:
        return rows
    mask = np.logical_and.reduce([rows.mask, *masks])
    return RowSet(mask, int(np.count_nonzero(mask)))


def _joined_rows(condition: Condition, catalogue: Catalogue, lexical: LexicalIndex) -> NDArray[np.bool_]:
    """Return the rows that meet a condition, bool [papers]. Each index keeps its answers for single clauses."""
    check_deadline()
    if isinstance(condition, Clause):
        if condition.field in CATALOGUE_FIELDS:
            return catalogue.find_rows(Filter((condition,))).mask
        return lexical.find_rows([condition])
    join = np.logical_and if isinstance(condition, AllOf) else np.logical_or
    mask = _joined_rows(condition.parts[0], catalogue, lexical).copy()
    for part in condition.parts[1:]:
        join(mask, _joined_rows(part, catalogue, lexical), out=mask)
    return mask


def _with_rows(condition: Condition, catalogue: Catalogue, references: References | None) -> Condition:
    """Return a condition with the codes of its category patterns and the rows of its ids."""
    if isinstance(condition, Clause):
        return condition if condition.field is Field.DAY else _resolved(condition, catalogue, references)
    return type(condition)(tuple(_with_rows(part, catalogue, references) for part in condition.parts))


def rows_by_name(ids: Sequence[str], catalogue: Catalogue) -> dict[str, int | None]:
    """Return the row of each paper, by its corpus's id, any form of its arXiv id, or its DOI; None if it is unknown."""
    if not ids:
        return {}
    canonical = {name: found.id for name in ids if (found := parse_arxiv_id(name)) is not None}
    known = catalogue.rows([*ids, *canonical.values()])
    rows = {name: known.get(name, known.get(canonical.get(name, name))) for name in ids}
    dois = {name: doi for name in ids if rows[name] is None and (doi := named_doi(name)) is not None}
    if dois:
        by_doi = catalogue.rows_by_doi(list(dois.values()))
        rows.update({name: by_doi.get(doi) for name, doi in dois.items()})
    return rows


def linked_rows(field: Field, names: Sequence[str], catalogue: Catalogue, references: References | None) -> Rows:
    """Return the rows that cite one of some papers (`Field.CITES`), or that one of them cites (`Field.CITED_BY`).

    Raises:
        NoReferences: The corpus has no references.
        UnknownPaper: The corpus lacks one of the papers.
    """
    written = f"{'cites' if field is Field.CITES else 'cited-by'}:{names[0][:40]}"
    if references is None:
        raise NoReferences(written, str(field))
    found = rows_by_name(names, catalogue)
    unknown = next((name for name, row in found.items() if row is None), None)
    if unknown is not None:
        raise UnknownPaper(
            f"There is no paper {unknown[:80]!r} in this corpus, so that its references and citations are not known: "
            f"write {written.partition(':')[0]}: with the id of a paper that is.",
            {"id": unknown[:80]},
        )
    of_row = references.cited_by if field is Field.CITES else references.cites
    lists = [of_row(row) for row in found.values() if row is not None]
    return np.unique(np.concatenate(lists)) if lists else np.empty(0, np.int64)


def category_codes(wanted: Sequence[str], corpus: Collection[str]) -> tuple[str, ...]:
    """Return the codes of category patterns: `cs.LG`, in upper or lower case, is itself; `cs` is a whole archive.

    `cs.*` and `cs*` are other ways to write an archive. Papers from before an archive was divided have its bare name,
    as `astro-ph`; they belong to it too. Codes that arXiv has and the corpus lacks are kept: they admit no paper.

    Raises:
        UnknownCategory: A category is neither in the corpus nor in arXiv's taxonomy.
    """
    folded = {code.lower(): code for code in (*sorted(_TAXONOMY), *corpus)}
    codes: dict[str, None] = {}
    for name in wanted:
        lower = name.lower()
        archive = lower.removesuffix("*").removesuffix(".")
        if "." in archive:
            found = [folded[lower]] if lower in folded else []
        else:
            found = [code for low, code in folded.items() if low == archive or low.startswith(f"{archive}.")]
        if not found:
            raise _unknown_category(name, folded)
        codes.update(dict.fromkeys(found))
    return tuple(codes)


def archive_notes(request: SearchRequest, query: ParsedQuery) -> Iterator[Sentence]:
    """Yield a note for each archive that is required and that was merged into a category of today."""
    required = [*request.categories, *request.categories_all]
    for operator in query.operators:
        for clause in clauses_of(operator.condition):
            if clause.field is Field.CATEGORY and not clause.excluded:
                required += map(str, clause.values)
    for name in required:
        if successor := SUCCESSORS.get(name.lower()):
            yield sentence("archive_ended", name=name, successor=successor)


def _resolved(clause: Clause, catalogue: Catalogue, references: References | None) -> Clause:
    """Return a clause with codes in place of patterns of categories, and with rows in place of ids of papers."""
    names = list(map(str, clause.values))
    if clause.field is Field.CATEGORY:
        return replace(clause, values=category_codes(names, catalogue.categories))
    if clause.field is Field.ROW:
        found = rows_by_name(names, catalogue).values()
        return replace(clause, values=tuple(sorted({row for row in found if row is not None})))
    if clause.field in (Field.CITES, Field.CITED_BY):
        rows = linked_rows(clause.field, names, catalogue, references)
        return replace(clause, field=Field.ROW, values=tuple(rows.tolist()))
    return replace(clause, values=tuple(names))


def _unknown_category(name: str, folded: dict[str, str]) -> UnknownCategory:
    shown = name[:40]
    likely = islice(folded, _COMPARED)  # arXiv's codes first, then the corpus's, the largest first
    near = [folded[low] for low in get_close_matches(shown.lower(), likely, _SUGGESTIONS, 0.5)]
    hint = f" Did you mean {' or '.join(near)}?" if near else " GET /corpus lists the categories there are."
    return UnknownCategory(f"There is no category {shown!r}.{hint}", {"category": shown, "near": near})
