"""Turn a request into a plan: read operators and ids in the query, and find papers by any form of their id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from papers import Paper, parse_arxiv_id
from retrieval_service.errors import BlankQuery, UnknownPaper
from retrieval_service.filter import Filter
from retrieval_service.ports import Catalogue, Rows
from retrieval_service.search.filters import make_filter, rows_by_name
from retrieval_service.search.operators import ParsedQuery, parse_query
from retrieval_service.search.request import Mode, SearchRequest

_SHOWN = 20  # unknown ids that an error names


@dataclass(frozen=True)
class SearchPlan:
    """The plan of a search.

    Attributes:
        mode: The indexes to search.
        words: The words that papers are ranked by; None in a search by papers, blank where there are only operators.
        operators: The operators in the query.
        like: The papers to search towards.
        unlike: The papers to search away from.
        like_rows: The rows of `like`, which are never results.
        unlike_rows: The rows of `unlike`, which are never results.
        admitted: The filter; None if every paper is admitted.
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
        """The rows of all papers that the request names, which are never results."""
        return np.concatenate([self.like_rows, self.unlike_rows])


def plan_search(request: SearchRequest, catalogue: Catalogue) -> SearchPlan:
    """Return the plan for a request over a corpus.

    A query that is nothing but an arXiv id or link is a search for papers like that one. A query of operators only is
    answered by lexical search, as it has no words to embed.

    Raises:
        UnknownCategory: A category is neither in the corpus nor in arXiv's taxonomy.
        UnknownPaper: A paper to search by is not in the corpus.
        BlankQuery: The query only excludes.
    """
    liked = request.like
    if request.text is not None and parse_arxiv_id(request.text) is not None:
        liked = (request.text,)
    query = ParsedQuery("")
    if not liked and request.text is not None:
        query = parse_query(request.text) if request.operators else ParsedQuery(request.text)
        if not query.words and all(operator.excluded for operator in query.operators):
            raise BlankQuery(
                "The query only excludes papers; add words or a condition that papers must meet.",
                {"parameter": "query"},
            )
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
    """Return True if planning a request reads the corpus."""
    filtered = request.categories or request.categories_all or request.exclude_categories or request.authors
    if filtered or request.ids or request.first or request.last or request.like:
        return True
    if request.text is None or parse_arxiv_id(request.text) is not None:
        return True
    return request.operators and bool(parse_query(request.text).operators)


def paper_rows(ids: Sequence[str], catalogue: Catalogue) -> list[int]:
    """Return the rows of papers by their id in the corpus or any form of their arXiv id, each row once, in this order.

    Raises:
        UnknownPaper: The corpus has no such paper.
    """
    found = rows_by_name(ids, catalogue)
    unknown = [name for name, row in found.items() if row is None]
    if unknown:
        shown = [(known.id if (known := parse_arxiv_id(name)) else name)[:80] for name in unknown[:_SHOWN]]
        detail: dict[str, object] = {"id": shown[0]} if len(unknown) == 1 else {"id": shown[0], "ids": shown}
        named = f"is no paper {shown[0]!r}" if len(unknown) == 1 else f"are no papers {', '.join(map(repr, shown))}"
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise UnknownPaper(f"There {named}{more} in this corpus; search by title or abstract instead.", detail)
    return list(dict.fromkeys(row for row in found.values() if row is not None))
