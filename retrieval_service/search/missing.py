"""Find the papers that a list lacks: near to its topics, and not in it.

The list is divided into topics (`topics.py`). Each topic is searched for by the mean of its papers' vectors; its
neighbours are spread, so that they differ; and the topics take turns, so that a small topic of the list is served too.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import ClassVar

import msgspec
import numpy as np

from akin.papers import Paper
from akin.papers.text import display_text
from retrieval_service.deadline import check_deadline
from retrieval_service.ports import DEPTHS, Corpus, Rows, RowSet, Vectors
from retrieval_service.search.answer import CitationCounts, Coverage, NamedPaper, PaperAnswer
from retrieval_service.search.coverage import dense_note
from retrieval_service.search.duplicates import NEAR, make_page, same_paper
from retrieval_service.search.feedback import feedback_vector
from retrieval_service.search.filters import filter_rows, make_filter, rows_by_name
from retrieval_service.search.list_requests import MissingRequest
from retrieval_service.search.operators import ParsedQuery
from retrieval_service.search.ordering import spread
from retrieval_service.search.paper_vectors import embed_uncovered, vectors_with
from retrieval_service.search.planner import paper_rows
from retrieval_service.search.request import SearchRequest
from retrieval_service.search.sentences import CodedText
from retrieval_service.search.topics import topics_of
from retrieval_service.threads import Job

_NAMED = 2  # papers of the list that a topic, or a paper that was found, is near to


class NearPaper(NamedPaper, kw_only=True):
    """Paper of the list, and the cosine of its vector with that of the paper that is near to it."""

    similarity: float


class MissingPaper(PaperAnswer, kw_only=True):
    """Paper that the list lacks.

    `score` is its cosine with its topic, `topic` the number of that among `topics`, and `near` the papers of the list
    that are nearest to it. `duplicates` are the ids of its other versions or records. At most 50 authors are listed.
    """

    score: float
    topic: int
    near: list[NearPaper]
    duplicates: Sequence[str] = ()

    most_authors: ClassVar[int | None] = 50


class Topic(msgspec.Struct):
    """Topic of the list: its number of `papers`, and those in its middle."""

    papers: int
    near: list[NamedPaper]


class MissingAnswer(msgspec.Struct, kw_only=True):
    """Papers that a list lacks, the topics of the list taking turns, and the `topics`, the largest first.

    `papers` is the number of papers of the list that were searched by; `unknown` are the ids that the corpus lacks.
    `searched` is the number of papers that the conditions admit.
    """

    results: list[MissingPaper]
    topics: list[Topic]
    papers: int
    unknown: list[str]
    searched: int
    snapshot: str
    coverage: Coverage | None = None
    notes: Sequence[str] = ()
    coded_notes: Sequence[CodedText] = ()


@dataclass(frozen=True)
class _Plan:
    listed: list[int]
    unlike: list[int]
    named: list[Paper]
    unknown: list[str]
    within: RowSet | None


async def find_missing(executor: Executor, corpus: Corpus, request: MissingRequest) -> MissingAnswer:
    """Return the papers that a list lacks.

    Args:
        executor: Threads that search the index.
        corpus: The corpus.
        request: The list, and conditions on what it may lack.

    Raises:
        UnknownPaper: The corpus has no paper of the list.
        UnknownCategory: A category is neither in the corpus nor in arXiv's taxonomy.
        Unavailable: Papers of the list have no vector, and the encoder makes none now.
    """
    plan = await Job(executor, _make_plan, corpus, request).result()
    made = await embed_uncovered(corpus, [*plan.listed, *plan.unlike], plan.named)
    return await Job(executor, _find, corpus, request, plan, made).result()


def _make_plan(corpus: Corpus, request: MissingRequest) -> _Plan:
    catalogue = corpus.catalogue
    found = rows_by_name([*request.ids, *request.unlike], catalogue)
    if all(found[name] is None for name in request.ids):
        paper_rows(request.ids, catalogue)
    unlike = sorted({row for name in request.unlike if (row := found[name]) is not None})
    # In order of rows, so that the same papers in another order have the same topics.
    listed = sorted({row for name in request.ids if (row := found[name]) is not None})
    wanted = SearchRequest(
        categories=request.categories,
        exclude_categories=request.exclude_categories,
        first=request.first,
        last=request.last,
        withdrawn=request.withdrawn,
    )
    admitted = make_filter(wanted, ParsedQuery(""), catalogue)
    return _Plan(
        listed,
        unlike,
        catalogue.papers([*listed, *unlike]),
        [name for name, row in found.items() if row is None],
        None if admitted is None else filter_rows(admitted, catalogue, corpus.lexical),
    )


def _find(corpus: Corpus, request: MissingRequest, plan: _Plan, made: dict[int, Vectors]) -> MissingAnswer:
    vectors = vectors_with(corpus, [*plan.listed, *plan.unlike], made)
    listed, unlike = vectors[: len(plan.listed)], vectors[len(plan.listed) :]
    topics = topics_of(listed)
    centres = np.stack([feedback_vector(listed[places], unlike) for places in topics])
    searched = len(corpus.catalogue) if plan.within is None else plan.within.count
    rankings = [_neighbours(corpus, request, plan, centre) for centre in centres] if searched else []
    rows, numbers = _take_turns(rankings)
    rows, numbers = _without_copies(corpus, plan, listed, rows, numbers)
    page = make_page(rows, 0, request.k, vectors=corpus.vectors.vectors, papers=corpus.catalogue.papers)
    assert page is not None  # no deeper search follows
    places = np.asarray(page.places, np.int64)
    found = corpus.vectors.vectors(rows[places].tolist()) if len(places) else listed[:0]
    scores = (found * centres[numbers[places]]).sum(axis=1)
    covered = corpus.covered
    coverage = None if covered is None else Coverage(covered.count, len(covered.mask))
    said = () if coverage is None else (dense_note(coverage),)
    return MissingAnswer(
        results=[
            MissingPaper.of(
                paper,
                score=round(score, 6),
                topic=topic,
                near=_near(cosines, plan.named),
                duplicates=folded,
                citations=CitationCounts.of(corpus.references, row),
            )
            for paper, folded, row, topic, score, cosines in zip(
                page.papers,
                page.folded,
                rows[places].tolist(),
                numbers[places].tolist(),
                scores.tolist(),
                found @ listed.T,
                strict=True,
            )
        ],
        topics=[
            Topic(
                len(places),
                [NamedPaper.named(plan.named[at]) for at in places[_best(listed[places] @ centre)].tolist()],
            )
            for places, centre in zip(topics, centres, strict=True)
        ],
        papers=len(plan.listed),
        unknown=plan.unknown,
        searched=searched,
        snapshot=corpus.manifest.id,
        coverage=coverage,
        notes=tuple(map(str, said)),
        coded_notes=tuple(one.coded() for one in said),
    )


def _neighbours(corpus: Corpus, request: MissingRequest, plan: _Plan, centre: Vectors) -> Rows:
    """Return the nearest papers to a topic that the list lacks, spread."""
    check_deadline()
    given = [*plan.listed, *plan.unlike]
    hits = corpus.vectors.search(centre, DEPTHS[0] + len(given), within=plan.within)
    new = np.flatnonzero(~np.isin(hits.rows, given))[: DEPTHS[0]]
    rows = hits.rows[new]
    order = spread(hits.scores[new].astype(np.float64), corpus.vectors.vectors(rows.tolist()), request.diversity)
    return rows[list(order)]


def _take_turns(rankings: Sequence[Rows]) -> tuple[Rows, Rows]:
    """Return the rows of all topics, each topic giving one at a time, and the number of the topic of each row."""
    taken: dict[int, int] = {}
    turns = dict(enumerate(iter(rows.tolist()) for rows in rankings))
    while turns:
        for number, rows in list(turns.items()):
            fresh = next((row for row in rows if row not in taken), None)
            if fresh is None:
                del turns[number]
            else:
                taken[fresh] = number
    return np.asarray(list(taken), np.int64), np.asarray(list(taken.values()), np.int64)


def _without_copies(corpus: Corpus, plan: _Plan, listed: Vectors, rows: Rows, numbers: Rows) -> tuple[Rows, Rows]:
    """Leave out other versions and records of the papers of the list."""
    cosines = corpus.vectors.vectors(rows.tolist()) @ listed.T if len(rows) else np.empty((0, len(listed)))
    suspects = np.flatnonzero((cosines >= NEAR).any(axis=1))
    papers = corpus.catalogue.papers(rows[suspects].tolist())
    copies = [
        place
        for place, paper in zip(suspects.tolist(), papers, strict=True)
        if any(same_paper(plan.named[at], paper) for at in np.flatnonzero(cosines[place] >= NEAR).tolist())
    ]
    kept = np.setdiff1d(np.arange(len(rows)), copies)
    return rows[kept], numbers[kept]


def _best(cosines: Vectors) -> Rows:
    return np.argsort(-cosines, kind="stable")[:_NAMED]


def _near(cosines: Vectors, named: Sequence[Paper]) -> list[NearPaper]:
    return [
        NearPaper(id=(paper := named[at]).id, title=display_text(paper.title), similarity=round(float(cosines[at]), 6))
        for at in _best(cosines).tolist()
    ]
