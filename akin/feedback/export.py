"""Write feedback as JSON lines, as pairs to train on, and as a test collection in BEIR's layout."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from akin.feedback.records import MarkedSearch, ShownSearch
from akin.papers import Paper, passage_text

MOST_NEGATIVES = 8
"""Pairs of one useful result, each with another negative of the same search."""
_SEED = 1
_Item = TypeVar("_Item")


class Catalogue(Protocol):
    """Papers of a corpus by row."""

    def __len__(self) -> int:
        """Return the number of papers."""

    def rows(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the rows of the ids that the corpus has."""

    def papers(self, rows: Sequence[int]) -> list[Paper]:
        """Return the papers of rows."""


class Exported(msgspec.Struct, frozen=True):
    """Number of records that were written, of searches they are from, and of marked papers that the corpus lacks."""

    records: int
    searches: int
    lacking: int


def record_lines(searches: Iterable[MarkedSearch]) -> Iterator[bytes]:
    """Yield each search with its marks as a line of JSON."""
    for each in searches:
        yield msgspec.json.encode(each) + b"\n"


def pairs(searches: Sequence[MarkedSearch], catalogue: Catalogue) -> tuple[list[dict[str, Any]], Exported]:
    """Return pairs as files of `training/` have them: a search, a useful result and, where there is one, a negative.

    A negative is a result of the same search that its reader called not useful. `papers` names the papers of the texts.
    """
    known = _papers_of(searches, catalogue)
    found, used, lacking = [], 0, 0
    for each in searches:
        anchor = _query(each.search, known)
        useful, not_useful = ([mark.paper for mark in each.marks if mark.useful is value] for value in (True, False))
        lacking += sum(paper not in known for paper in (*useful, *not_useful))
        positives, negatives = ([paper for paper in side if paper in known] for side in (useful, not_useful))
        if not anchor or not positives:
            continue
        used += 1
        for positive in positives:
            for negative in negatives[:MOST_NEGATIVES] or [""]:
                pair: dict[str, Any] = {"kind": "feedback", "anchor": anchor, "positive": known[positive]}
                if negative:
                    pair = {**pair, "kind": "feedback_negatives", "negative_1": known[negative]}
                found.append({**pair, "papers": [paper for paper in (positive, negative) if paper]})
    return found, Exported(len(found), used, lacking)


def write_set(searches: Sequence[MarkedSearch], catalogue: Catalogue, folder: Path, *, others: int) -> Exported:
    """Write a test collection: searches, the papers that readers called useful, and papers to find them among.

    A paper is relevant to a query if more readers of the same query called it useful than not. The passages are all
    papers that these searches showed, and others of the corpus.

    Args:
        searches: Searches with their marks.
        catalogue: Papers of the corpus.
        folder: Folder of the collection; one that is there is replaced.
        others: Number of other papers, drawn at random.

    Raises:
        RelevanceError: The folder holds something else, or cannot be written.
    """
    from akin.relevance.collection import CORPUS, QUERIES
    from akin.relevance.writing import write_folder, write_judgements, write_lines
    from akin.relevance.writing import write_set as write_about

    known = _papers_of(searches, catalogue)
    votes: dict[str, dict[str, int]] = {}
    lacking = 0
    for each in searches:
        query = _query(each.search, known)
        for mark in each.marks:
            if query and mark.useful is not None:
                lacking += mark.paper not in known
                of_query = votes.setdefault(query, {})
                of_query[mark.paper] = of_query.get(mark.paper, 0) + (1 if mark.useful else -1)
    qrels = {
        _identity(query): gains
        for query, counted in votes.items()
        if (gains := {paper: 1 for paper, count in counted.items() if count > 0 and paper in known})
    }
    texts = {_identity(query): query for query in votes}
    shown = list(dict.fromkeys(paper for each in searches for paper in each.search.shown if paper in known))
    rows = set(catalogue.rows(shown).values())
    drawn = random.Random(_SEED).sample(range(len(catalogue)), min(len(catalogue), others + len(rows)))
    rows |= set([row for row in drawn if row not in rows][:others])
    exported = Exported(sum(map(len, qrels.values())), len(qrels), lacking)

    def write(aside: Path) -> None:
        papers = (paper for part in _parts(sorted(rows)) for paper in catalogue.papers(part))
        write_lines(aside / CORPUS, map(_passage, papers))
        write_lines(aside / QUERIES, ({"_id": query, "text": texts[query]} for query in qrels))
        write_judgements(aside, qrels)
        about = {"made_from": "feedback", "searches": len(searches), "others": others, "seed": _SEED}
        write_about(aside, about)

    write_folder(folder, write)
    return exported


def _passage(paper: Paper) -> dict[str, str]:
    return {"_id": paper.id, "title": paper.title, "text": paper.abstract}


def _parts(items: list[_Item], size: int = 500) -> Iterator[list[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _papers_of(searches: Iterable[MarkedSearch], catalogue: Catalogue) -> dict[str, str]:
    """Return the passages of all papers that the searches name and the corpus has, by id."""
    names: dict[str, None] = {}
    for each in searches:
        names.update(dict.fromkeys((*each.search.shown, *each.search.like, *(mark.paper for mark in each.marks))))
    found = {}
    for part in _parts(list(names)):
        rows = list(catalogue.rows(part).values())
        found.update({paper.id: passage_text(paper) for paper in catalogue.papers(rows)})
    return found


def _query(search: ShownSearch, known: Mapping[str, str]) -> str:
    """Return the text that a search looked for: its words, or the passage of the one paper that it started from."""
    if search.words is not None:
        return search.words.strip()
    return known.get(search.like[0], "") if len(search.like) == 1 and not search.unlike else ""


def _identity(query: str) -> str:
    return f"q{sha256(query.encode('utf-8', 'replace')).hexdigest()[:16]}"
