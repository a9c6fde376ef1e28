"""From what was asked to what is searched: operators and ids in the query, papers by any form of their id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from papers import Paper, parse_arxiv_id
from retrieval_service.errors import BlankQuery, UnknownPaper
from retrieval_service.ports import Catalogue, Filter, Rows
from retrieval_service.search.filters import ParsedQuery, make_filter, parse_query, rows_by_name
from retrieval_service.search.request import Mode, SearchRequest


@dataclass(frozen=True)
class SearchPlan:
    """What a search does.

    Attributes:
        mode: which halves are asked.
        words: what papers are ranked by; None when papers are searched by papers, blank when nothing ranks.
        operators: what was read as operators in the query.
        like: the papers to search by.
        unlike: the papers to search against.
        like_rows: the rows of the former.
        unlike_rows: the rows of the latter. Neither are ever results.
        admitted: what a paper must be; None when any will do.
    """

    mode: Mode
    words: str | None
    operators: tuple[str, ...]
    like: list[Paper]
    unlike: list[Paper]
    like_rows: Rows
    unlike_rows: Rows
    admitted: Filter | None

    @property
    def given_rows(self) -> Rows:
        """The rows of all papers that were named."""
        return np.concatenate([self.like_rows, self.unlike_rows])


def plan_search(request: SearchRequest, catalogue: Catalogue) -> SearchPlan:
    """The plan for a request over a corpus.

    A query that is wholly an arXiv id or link means the papers like that one. One of operators alone is answered by the
    lexical half, as there are no words to compare by meaning.

    Raises:
        UnknownCategory: a category is neither in the corpus nor in arXiv's taxonomy.
        UnknownPaper: a paper to search by is not in the corpus.
        BlankQuery: the query only excludes.
    """
    liked = request.like
    if request.text is not None and parse_arxiv_id(request.text) is not None:
        liked = (request.text,)
    query = ParsedQuery("")
    if not liked and request.text is not None:
        query = parse_query(request.text) if request.operators else ParsedQuery(request.text)
        if not query.words and all(operator.excluded for operator in query.operators):
            raise BlankQuery("Say what you are looking for: this query only excludes.", {"parameter": "query"})
    rows, against = paper_rows(liked, catalogue), paper_rows(request.unlike, catalogue)
    named = catalogue.papers([*rows, *against])
    return SearchPlan(
        mode=request.mode if liked or query.words else Mode.LEXICAL,
        words=None if liked else query.words,
        operators=tuple(operator.text for operator in query.operators),
        like=named[: len(rows)],
        unlike=named[len(rows) :],
        like_rows=np.asarray(rows, np.int64),
        unlike_rows=np.asarray(against, np.int64),
        admitted=make_filter(request, query, catalogue),
    )


def reads_corpus(request: SearchRequest) -> bool:
    """Whether planning a request looks anything up."""
    narrowed = request.categories or request.categories_all or request.exclude_categories or request.authors
    if narrowed or request.ids or request.first or request.last or request.like:
        return True
    if request.text is None or parse_arxiv_id(request.text) is not None:
        return True
    return request.operators and bool(parse_query(request.text).operators)


def paper_rows(ids: Sequence[str], catalogue: Catalogue) -> list[int]:
    """The rows of papers named by their corpus's id or, in any form, by their arXiv id; each once, as named.

    Raises:
        UnknownPaper: the corpus has no such paper.
    """
    rows = []
    for name, row in rows_by_name(ids, catalogue).items():
        if row is None:
            found = parse_arxiv_id(name)
            shown = (found.id if found else name)[:80]
            raise UnknownPaper(
                f"There is no paper {shown!r} in this corpus; search by its title or abstract instead.", {"id": shown}
            )
        rows.append(row)
    return list(dict.fromkeys(rows))
