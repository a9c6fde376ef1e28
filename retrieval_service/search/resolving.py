"""Find the papers of a corpus that references mean: by arXiv id, then by DOI, then by title, authors and year."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor

import msgspec
from msgspec import UNSET, UnsetType

from akin.papers import Paper, bare_doi
from akin.papers.bibliography.references import Reference
from retrieval_service.deadline import check_deadline
from retrieval_service.ports import Catalogue, Corpus
from retrieval_service.search.answer import NamedPaper
from retrieval_service.search.title_agreement import (
    EQUAL,
    EQUAL_ALONE,
    ReadTitle,
    agreement,
    read_paper,
    read_reference,
)
from retrieval_service.threads import Job

_LOOKED_AT = 10  # papers whose words match a title best
_CANDIDATES = 3
_IN_ONE_JOB = 16  # titles, so that searches of others come in between
_FETCHED = 500  # papers with one statement
_LONGEST_SEARCHED = 300  # characters of a title
_PREPRINT_DOI = "10.48550/arxiv."


class ResolvedReference(msgspec.Struct, kw_only=True):
    """Reference, and the paper that it means; null if the corpus lacks it, or it is not certain.

    `line` is that of the text, and `reference` is its title or its line. `how` is `arxiv_id`, `doi`, `id` (an id of the
    corpus in a list) or `title`, and `confidence` is from 0 to 1. `candidates` are the papers with the most similar
    titles where none is certain. `problem` says why a part of the text is no reference.
    """

    reference: str
    line: int | UnsetType = UNSET
    key: str | UnsetType = UNSET
    paper: NamedPaper | None = None
    how: str | None = None
    confidence: float | None = None
    candidates: list[NamedPaper] = []
    problem: str | None = None


async def resolve(executor: Executor, corpus: Corpus, references: Sequence[Reference]) -> list[ResolvedReference]:
    """Return what each reference means, in their order.

    Args:
        executor: Threads that search the indexes; one at a time is used.
        corpus: The corpus.
        references: The references.

    Raises:
        DeadlineExceeded: The deadline has passed.
    """
    found = await Job(executor, _by_ids, references, corpus.catalogue).result()
    left = [place for place, each in enumerate(references) if place not in found and each.title and not each.problem]
    for at in range(0, len(left), _IN_ONE_JOB):
        some = left[at : at + _IN_ONE_JOB]
        answers = await Job(executor, _by_titles, [references[place] for place in some], corpus).result()
        found.update(zip(some, answers, strict=True))
    return [found.get(place) or _answer(each) for place, each in enumerate(references)]


def _by_ids(references: Sequence[Reference], catalogue: Catalogue) -> dict[int, ResolvedReference]:
    ids = dict.fromkeys(each.arxiv_id for each in references if each.arxiv_id)
    ids |= dict.fromkeys(each.paper_id for each in references if each.paper_id)
    dois = list(dict.fromkeys(each.doi for each in references if each.doi))
    by_id = catalogue.rows([*filter(None, ids), *(doi.lower() for doi in dois)])
    by_doi = catalogue.rows_by_doi(dois)
    rows: dict[int, tuple[int, str]] = {}
    for place, each in enumerate(references):
        known = (
            ("arxiv_id", by_id.get(each.arxiv_id or "")),
            ("doi", by_doi.get(each.doi or "", by_id.get((each.doi or "").lower()))),
            ("id", by_id.get(each.paper_id or "")),
        )
        match = next(((row, how) for how, row in known if row is not None), None)
        if match and not each.problem:
            rows[place] = match
    wanted = list(dict.fromkeys(row for row, _ in rows.values()))
    runs = (wanted[at : at + _FETCHED] for at in range(0, len(wanted), _FETCHED))
    papers = {row: paper for run in runs for row, paper in zip(run, catalogue.papers(run), strict=True)}
    return {place: _answer(references[place], papers[row], how, 1.0) for place, (row, how) in rows.items()}


def _by_titles(references: Sequence[Reference], corpus: Corpus) -> list[ResolvedReference]:
    return [_by_title(reference, corpus) for reference in references]


def _by_title(reference: Reference, corpus: Corpus) -> ResolvedReference:
    check_deadline()
    hits = corpus.lexical.search(reference.title[:_LONGEST_SEARCHED], _LOOKED_AT)
    papers = corpus.catalogue.papers(hits.rows.tolist())
    one = read_reference(reference)
    read = [(paper, read_paper(paper)) for paper in papers]
    graded = [(agreement(one, title), _years_apart(one, title), paper) for paper, title in read]
    possible = sorted(
        (each for each in graded if each[0] and not _is_another(reference, each[2])),
        key=lambda each: (-each[0], each[1]),
    )
    if possible and _is_certain([(confidence, apart) for confidence, apart, _ in possible]):
        return _answer(reference, possible[0][2], "title", possible[0][0])
    return _answer(reference, candidates=[*(paper for *_, paper in possible), *_similar(one, read)])


def _is_certain(graded: Sequence[tuple[float, int]]) -> bool:
    """Return True if the best paper stands out: of papers with parts of the title, or with equal ones, there is one."""
    first, *others = graded
    if not others or others[0][0] < first[0]:
        return first[0] >= EQUAL_ALONE or not others
    return first[0] == EQUAL and first[1] < others[0][1]


def _is_another(reference: Reference, paper: Paper) -> bool:
    """Return True if a reference and a paper state ids that differ."""
    if reference.arxiv_id and paper.arxiv_id:
        return True  # it was not found by its id
    doi = bare_doi(paper.doi)
    return bool(
        reference.doi and doi and not doi.lower().startswith(_PREPRINT_DOI) and doi.lower() != reference.doi.lower()
    )


def _years_apart(one: ReadTitle, other: ReadTitle) -> int:
    return abs(one.year - other.year) if one.year and other.year else 0


def _similar(one: ReadTitle, read: Sequence[tuple[Paper, ReadTitle]]) -> Iterator[Paper]:
    """Yield the papers that have at least half of the words of a title, and the other way round."""
    words = set(one.words)
    for paper, other in read:
        common = len(words.intersection(other.words))
        if common and 2 * common >= max(len(words), len(set(other.words))):
            yield paper


def _answer(
    reference: Reference,
    paper: Paper | None = None,
    how: str | None = None,
    confidence: float | None = None,
    candidates: Sequence[Paper] = (),
) -> ResolvedReference:
    distinct = {candidate.id: candidate for candidate in candidates}
    return ResolvedReference(
        reference=reference.text,
        line=reference.line or UNSET,
        key=reference.key or UNSET,
        paper=NamedPaper.named(paper) if paper else None,
        how=how,
        confidence=confidence,
        candidates=[NamedPaper.named(each) for each in list(distinct.values())[:_CANDIDATES]],
        problem=reference.problem,
    )
