"""Make test sets of the kinds of search that people do, from any papers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

from akin.papers import Paper
from akin.papers.reservoir import Reservoir
from akin.relevance.collection import CORPUS, QUERIES
from akin.relevance.errors import RelevanceError
from akin.relevance.kinds import KINDS, Pool, Search
from akin.relevance.kinds.citations import FEWEST_CITED
from akin.relevance.kinds.words import same_text
from akin.relevance.loaders.inside import place_inside, write_distractors
from akin.relevance.writing import require_replaceable, write_folder, write_judgements, write_lines, write_set

RULES_VERSION = 2
"""Increase this number when a rule changes: sets of two versions must not be compared."""

FEWEST = 10
POOL = 100_000
DISTRACTORS = "distractors.jsonl"

Report = Callable[[str], None]


@dataclass(frozen=True)
class MadeSet:
    """A set that was made, or that could not be.

    Attributes:
        name: name of its folder.
        kind: kind of search.
        candidates: searches that the rule found.
        queries: queries that were taken; 0 if there were too few, and then no folder was written.
        passages: passages of the set itself.
        distractors: papers of the larger corpus that `<name>-large` adds; 0 if none was wanted.
    """

    name: str
    kind: str
    candidates: int
    queries: int = 0
    passages: int = 0
    distractors: int = 0


@dataclass(frozen=True)
class _Drawn:
    """Queries of a set that is not written yet.

    Attributes:
        name: name of its folder.
        about: content of its `set.json`.
        candidates: searches that the rule found.
        searches: searches that were drawn; empty if there were too few.
        absent: ids of all papers that may answer one of them.
    """

    name: str
    about: Mapping[str, Any]
    candidates: int
    searches: list[Search]
    absent: set[str]


def make_sets(
    papers: Iterable[Paper],
    folder: Path,
    *,
    kinds: Sequence[str] | None = None,
    queries: int = 1_000,
    since: date | None = None,
    distractors: int = POOL,
    seed: int = 1,
    source: Mapping[str, Any] | None = None,
    citations: Mapping[str, Collection[str]] | None = None,
    report: Report = lambda _: None,
) -> list[MadeSet]:
    """Make a set of each kind, alone and inside a larger corpus (`<name>-large`), and return what was made.

    The sets are made from a sample of 100,000 papers (or of `distractors`, if that is more). The same papers, options
    and seed give the same files.

    Args:
        papers: papers in any order; withdrawn ones are left out.
        folder: folder for the sets; sets of the same names are replaced.
        kinds: keys of `KINDS`; by default all that can be made, thus `citations` with citations only.
        queries: greatest number of queries of a set.
        since: papers from this day on make sets of their own, `<kind>-since-<day>`, and others those called `<kind>`.
            Papers without a date count as older.
        distractors: papers of the larger corpus; 0 for none.
        seed: seed of all that is drawn.
        source: what `set.json` says about the papers, such as file and digest.
        citations: the ids that papers cite, by id, for the kind `citations`.
        report: takes a line of progress.

    Raises:
        RelevanceError: A kind does not exist, no kind has enough queries, or a folder cannot be written. Nothing is
            written if a kind or the papers are the reason, or a folder that is no collection.
    """
    if kinds is None:
        kinds = [kind for kind in KINDS if kind != "citations" or citations is not None]
    if "citations" in kinds and citations is None:
        raise RelevanceError("the kind `citations` needs a file of who cites whom: give --citations FILE.")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise RelevanceError(f"there is no kind of search called {unknown[0]!r}; choose from: {', '.join(KINDS)}.")
    sample: Reservoir[Paper] = Reservoir(max(POOL, distractors), seed)
    for paper in papers:
        if not paper.withdrawn:
            sample.offer(paper)
    pool = Pool(sample.items, citations)
    report(f"{len(pool.papers):,} papers to make sets of")
    drawn: list[_Drawn] = []
    for kind in dict.fromkeys(kinds):
        searches = _distinct(KINDS[kind](pool, seed))
        for name, part in _by_date(kind, searches, since):
            about = {
                "kind": kind,
                "rules": RULES_VERSION,
                "seed": seed,
                "since": since and since.isoformat(),
                "newest": name != kind,
                "trained": False,
                "source": {**(source or {}), "papers": len(pool.papers)},
            }
            chosen, absent = _choose(pool, part, queries, seed)
            drawn.append(_Drawn(name, about, len(part), chosen if len(chosen) >= FEWEST else [], absent))
            report(f"{name}: {len(drawn[-1].searches):,} queries out of {len(part):,}")
    _require_queries(drawn, pool.papers, kinds)
    for each in drawn:
        if each.searches:
            require_replaceable(folder / each.name)
            if distractors:
                require_replaceable(folder / f"{each.name}-large")
    corpus: frozenset[str] = frozenset()
    if distractors:
        corpus = write_distractors(pool.papers, folder / DISTRACTORS, count=distractors, seed=seed)
        report(f"{len(corpus):,} papers of the larger corpus in {folder / DISTRACTORS}")
    return [_write(each, folder / each.name, corpus) for each in drawn]


def _require_queries(drawn: Sequence[_Drawn], papers: Sequence[Paper], kinds: Collection[str]) -> None:
    """Check that there is a set to write.

    Raises:
        RelevanceError: No kind has enough queries; the message says what the papers lack.
    """
    if any(each.searches for each in drawn):
        return
    if not papers:
        raise RelevanceError(
            "there is no paper to make sets of: records without an abstract and withdrawn papers are left out. "
            "Give other papers, or name their fields: --map"
        )
    found = f"no kind of search has {FEWEST} queries in these {len(papers):,} papers"
    if not any(paper.abstract for paper in papers):
        raise RelevanceError(f"{found}: none has an abstract. Give papers with abstracts, or name their field: --map")
    pairs = (
        f", or more pairs of ids: the paper of a query cites {FEWEST_CITED} of them or more"
        if "citations" in kinds
        else ""
    )
    raise RelevanceError(f"{found} (queries of several papers are left out). Give more papers{pairs}.")


def _distinct(searches: Iterable[Search]) -> list[Search]:
    """Return the searches whose query no other search has: otherwise, each paper would be a right answer."""
    found = list(searches)
    counts = Counter(same_text(search.query) for search in found)
    return [search for search in found if counts[same_text(search.query)] == 1]


def _by_date(kind: str, searches: list[Search], since: date | None) -> Iterator[tuple[str, list[Search]]]:
    if since is None:
        yield kind, searches
        return
    new = [search for search in searches if (search.paper.published or date.min) >= since]
    taken = {search.paper.id for search in new}
    yield kind, [search for search in searches if search.paper.id not in taken]
    yield f"{kind}-since-{since}", new


def _write(drawn: _Drawn, folder: Path, corpus: frozenset[str]) -> MadeSet:
    """Write a set, alone and inside the larger corpus; nothing if it has no searches."""
    chosen, absent, about = drawn.searches, drawn.absent, drawn.about
    made = MadeSet(drawn.name, about["kind"], drawn.candidates)
    if not chosen:
        return made
    passages: dict[str, tuple[str, str]] = {}
    for search in chosen:
        for paper in search.related:
            passages.setdefault(paper.id, (paper.title, paper.abstract))
    for search in chosen:
        if search.passage is not None:
            passages[search.paper.id] = search.passage
    gains = {
        search.paper.id: dict.fromkeys(
            [*([search.paper.id] if search.passage else []), *(paper.id for paper in search.related)], 1
        )
        for search in chosen
    }

    def write(aside: Path) -> None:
        corpus_lines = ({"_id": key, "title": title, "text": text} for key, (title, text) in passages.items())
        write_lines(aside / CORPUS, corpus_lines)
        write_lines(aside / QUERIES, map(_query_record, chosen))
        write_judgements(aside, gains)
        write_set(aside, about)

    write_folder(folder, write)
    without = corpus & absent - passages.keys()
    if corpus:
        place_inside(folder, folder.parent / DISTRACTORS, folder.with_name(f"{folder.name}-large"), without)
    return MadeSet(
        folder.name, made.kind, made.candidates, len(chosen), len(passages), len(corpus - without - passages.keys())
    )


def _choose(pool: Pool, searches: list[Search], most: int, seed: int) -> tuple[list[Search], set[str]]:
    """Draw searches that do not disturb each other, and return them with all ids that may answer one of them.

    A search is left out if its answer is near-duplicate to another's answer, or if a paper that it wants out of the
    corpus is another's answer.
    """
    group = pool.duplicates
    answers: dict[int, str] = {}
    unwanted: set[int] = set()
    chosen: list[Search] = []
    for search in Random(seed).sample(searches, len(searches)):
        if len(chosen) == most:
            break
        own = [search.paper, *search.related] if search.passage else list(search.related)
        out = {group[identity] for identity in search.unjudged if identity in group}
        if search.passage is None:
            out.add(group[search.paper.id])
        if any(group[paper.id] in unwanted or answers.get(group[paper.id], paper.id) != paper.id for paper in own):
            continue
        if out & answers.keys():
            continue
        answers |= {group[paper.id]: paper.id for paper in own}
        unwanted |= out
        chosen.append(search)
    groups = answers.keys() | unwanted
    return chosen, {paper.id for paper in pool.papers if group[paper.id] in groups}


def _query_record(search: Search) -> dict[str, Any]:
    paper = search.paper
    facts: dict[str, Any] = {"categories": list(paper.categories)}
    if paper.published:
        facts["published"] = paper.published.isoformat()
    return {"_id": paper.id, "text": " ".join(search.query.split()), "metadata": facts}
