"""Turn a request into a plan: read operators and ids in the query, and find papers by any form of their id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from akin.papers import Paper, parse_arxiv_id
from akin.papers.bibliography.references import Reference
from akin.papers.bibliography.written_out import is_reference_list
from retrieval_service.errors import BlankQuery, UnknownPaper
from retrieval_service.filter import Filter, only_excludes
from retrieval_service.ports import Catalogue, References, Rows
from retrieval_service.search.filters import archive_notes, make_filter, rows_by_name
from retrieval_service.search.named_papers import MOST_NAMED, named_papers, names_among_words
from retrieval_service.search.operators import ParsedQuery, parse_query
from retrieval_service.search.pasted_entries import is_entry, pasted_entries
from retrieval_service.search.request import Mode, SearchRequest, Withdrawn
from retrieval_service.search.sentences import Sentence, sentence

_SHOWN = 20  # unknown ids that an error names
_MOST_NOTES = 10


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
        notes: What was not read in the request, or was read in another way.
    """

    mode: Mode
    words: str | None
    operators: tuple[str, ...]
    like: list[Paper]
    unlike: list[Paper]
    like_rows: Rows
    unlike_rows: Rows
    admitted: Filter | None
    notes: tuple[Sentence, ...] = ()

    @property
    def given_rows(self) -> Rows:
        """The rows of all papers that the request names, which are never results."""
        return np.concatenate([self.like_rows, self.unlike_rows])


def plan_search(request: SearchRequest, catalogue: Catalogue, references: References | None = None) -> SearchPlan:
    """Return the plan for a request over a corpus.

    A query that is nothing but ids, links or DOIs of papers is a search for papers like those. A query of operators
    only is answered by lexical search, as it has no words to embed.

    Raises:
        UnknownCategory: A category is neither in the corpus nor in arXiv's taxonomy.
        UnknownPaper: A paper that the request names is not in the corpus.
        NoReferences: References are a condition, and the corpus has none.
        BlankQuery: The query only excludes.
        InvalidQuery: A condition in the query cannot be met.
    """
    notes: list[Sentence] = []
    rows = paper_rows(request.like, catalogue)
    query = ParsedQuery("")
    if not request.like and request.text is not None:
        if entries := pasted_entries(request.text):
            rows, query = _of_entries(entries, catalogue, notes)
        if not rows and not query.words:
            rows = _rows_of_named(request.text, catalogue, notes)
    if not rows and not query.words and request.text is not None:
        query = _parse(request.text, request.operators, notes)
        if is_reference_list(request.text):
            notes.append(sentence("reference_list"))
    against = paper_rows(request.unlike, catalogue)
    named = catalogue.papers([*rows, *against])
    return SearchPlan(
        mode=request.mode if rows or query.words else Mode.LEXICAL,
        words=None if rows else query.words,
        operators=tuple(operator.text for operator in query.operators),
        like=named[: len(rows)],
        unlike=named[len(rows) :],
        like_rows=np.asarray(rows, np.int64),
        unlike_rows=np.asarray(against, np.int64),
        admitted=make_filter(request, query, catalogue, references),
        notes=tuple(dict.fromkeys((*notes, *archive_notes(request, query))))[:_MOST_NOTES],
    )


def _parse(text: str, with_operators: bool, notes: list[Sentence]) -> ParsedQuery:
    query = parse_query(text) if with_operators else ParsedQuery(text)
    notes += query.notes
    if not query.words and all(only_excludes(operator.condition) for operator in query.operators):
        raise BlankQuery(
            "The query only excludes papers; add words or a condition that papers must meet.",
            {"parameter": "query"},
        )
    if not notes and query.words and (name := names_among_words(query.words)):
        notes.append(sentence("id_as_word", name=name))
    return query


def _of_entries(
    entries: Sequence[Reference], catalogue: Catalogue, notes: list[Sentence]
) -> tuple[list[int], ParsedQuery]:
    """Return the rows of the papers that entries of BibTeX are of; if there are none, the first title as the query."""
    found = rows_by_name([name for each in entries for name in _names(each)], catalogue)
    rows, unknown = list[int](), list[str]()
    for each in entries:
        known = [row for name in _names(each) if (row := found.get(name)) is not None]
        rows += known[:1]
        if not known:
            unknown += _names(each)[:1]
    if rows:
        _note_unknown(unknown, notes)
        return list(dict.fromkeys(rows)), ParsedQuery("")
    title = next((each.title for each in entries if any(map(str.isalnum, each.title))), "")
    if title:
        notes.append(sentence("entry_by_title", title=title[:300]))
    return [], ParsedQuery(title)


def _names(entry: Reference) -> list[str]:
    """Return the arXiv id and the DOI that an entry states."""
    return [name for name in (entry.arxiv_id, entry.doi) if name]


def _rows_of_named(text: str, catalogue: Catalogue, notes: list[Sentence]) -> list[int]:
    """Return the rows of the papers that a text names; none if it has other words, or names no paper of the corpus.

    Raises:
        UnknownPaper: The text is the id of one paper, which is not in the corpus.
    """
    named = named_papers(text)
    if named is None:
        return []
    found = rows_by_name(named.names, catalogue)
    rows = list(dict.fromkeys(row for row in found.values() if row is not None))
    unknown = [name for name, row in found.items() if row is None]
    if not rows:
        if parse_arxiv_id(named.names[0]) is not None:
            paper_rows(named.names, catalogue)
        notes.append(sentence("unknown_doi", name=named.names[0][:80]))
        return []
    _note_unknown(unknown, notes)
    if named.left_out:
        notes.append(sentence("papers_left_out", most=MOST_NAMED, count=named.left_out))
    return rows


def _note_unknown(names: Sequence[str], notes: list[Sentence]) -> None:
    if names:
        notes.append(sentence("not_in_corpus", names=", ".join(names)[:300]))


def reads_corpus(request: SearchRequest) -> bool:
    """Return True if planning a request reads the corpus."""
    filtered = request.categories or request.categories_all or request.exclude_categories or request.authors
    if (
        filtered
        or request.withdrawn is not Withdrawn.INCLUDE
        or request.ids
        or request.cites
        or request.cited_by
        or request.first
        or request.last
        or request.like
    ):
        return True
    if request.text is None or is_entry(request.text) or named_papers(request.text) is not None:
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
